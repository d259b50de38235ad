//===- NestAttrs.td - Enumerations of the nest dialect -----*- tablegen -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_NESTATTRS_TD
#define NESTOR_IR_NESTATTRS_TD

include "mlir/IR/EnumAttr.td"
include "NestDialect.td"

class Nest_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::nestor::nest";
  let genSpecializedAttr = 0;
}
class Nest_EnumAttr<EnumInfo info, string mnemonic> : EnumAttr<Nest_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}

def Nest_PoolKind : Nest_Enum<"PoolKind", "what a pooling window computes", [
  I32EnumAttrCase<"max", 0>, I32EnumAttrCase<"avg", 1>, I32EnumAttrCase<"lp", 2>]>;
def Nest_PoolKindAttr : Nest_EnumAttr<Nest_PoolKind, "pool_kind">;

def Nest_ReduceKind : Nest_Enum<"ReduceKind", "how a reduction combines elements", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"mean", 1>, I32EnumAttrCase<"max", 2>,
  I32EnumAttrCase<"min", 3>, I32EnumAttrCase<"prod", 4>]>;
def Nest_ReduceKindAttr : Nest_EnumAttr<Nest_ReduceKind, "reduce_kind">;

def Nest_PadMode : Nest_Enum<"PadMode", "what lies outside a padded tensor", [
  I32EnumAttrCase<"constant", 0>, I32EnumAttrCase<"reflect", 1>,
  I32EnumAttrCase<"edge", 2>, I32EnumAttrCase<"wrap", 3>]>;
def Nest_PadModeAttr : Nest_EnumAttr<Nest_PadMode, "pad_mode">;

def Nest_ScatterKind : Nest_Enum<"ScatterKind", "how a scatter combines with what is there", [
  I32EnumAttrCase<"none", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>,
  I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]>;
def Nest_ScatterKindAttr : Nest_EnumAttr<Nest_ScatterKind, "scatter_kind">;

def Nest_ResizeMode : Nest_Enum<"ResizeMode", "interpolation", [
  I32EnumAttrCase<"nearest", 0>, I32EnumAttrCase<"linear", 1>, I32EnumAttrCase<"cubic", 2>]>;
def Nest_ResizeModeAttr : Nest_EnumAttr<Nest_ResizeMode, "resize_mode">;

def Nest_CoordinateMode : Nest_Enum<"CoordinateMode",
    "ONNX Resize coordinate_transformation_mode", [
  I32EnumAttrCase<"half_pixel", 0>, I32EnumAttrCase<"half_pixel_symmetric", 1>,
  I32EnumAttrCase<"pytorch_half_pixel", 2>, I32EnumAttrCase<"align_corners", 3>,
  I32EnumAttrCase<"asymmetric", 4>, I32EnumAttrCase<"tf_crop_and_resize", 5>,
  I32EnumAttrCase<"tf_half_pixel_for_nn", 6>]>;
def Nest_CoordinateModeAttr : Nest_EnumAttr<Nest_CoordinateMode, "coordinate_mode">;

def Nest_NearestMode : Nest_Enum<"NearestMode", "ONNX Resize nearest_mode", [
  I32EnumAttrCase<"round_prefer_floor", 0>, I32EnumAttrCase<"round_prefer_ceil", 1>,
  I32EnumAttrCase<"floor", 2>, I32EnumAttrCase<"ceil", 3>]>;
def Nest_NearestModeAttr : Nest_EnumAttr<Nest_NearestMode, "nearest_mode">;

def Nest_Direction : Nest_Enum<"Direction", "direction of a recurrent layer", [
  I32EnumAttrCase<"forward", 0>, I32EnumAttrCase<"reverse", 1>,
  I32EnumAttrCase<"bidirectional", 2>]>;
def Nest_DirectionAttr : Nest_EnumAttr<Nest_Direction, "direction">;

#endif // NESTOR_IR_NESTATTRS_TD
