//===- GraphImportTest.cpp - Inputs, names, subgraphs, functions ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/import/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace nestor::test;
using import::ImportStatus;

namespace {

ModelBuilder reluModel(const std::vector<int64_t> &shape) {
  ModelBuilder builder(13);
  builder.input("x", shape).output("y");
  builder.node("Relu", {"x"}, {"y"});
  return builder;
}

llvm::ArrayRef<int64_t> argumentShape(Imported &imported, unsigned index) {
  return mlir::cast<mlir::RankedTensorType>(imported.main().getArgumentTypes()[index]).getShape();
}

TEST(GraphImport, FreeBatchBecomesOneAndIsNoted) {
  Imported imported(reluModel({-1, 3}).bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(argumentShape(imported, 0), llvm::ArrayRef<int64_t>({1, 3}));
  ASSERT_EQ(imported.result.notes.size(), 1u);
  EXPECT_EQ(imported.result.notes[0], "batch dimension of x set to 1");
}

TEST(GraphImport, OtherFreeDimensionsMustBeGiven) {
  Imported imported(reluModel({1, -1}).bytes());
  EXPECT_EQ(imported.result.status, ImportStatus::Usage);
  for (const char *word : {"dimension 1", "'d1'", "'x'", "--shape x="})
    EXPECT_NE(imported.result.message.find(word), std::string::npos) << imported.result.message;
}

TEST(GraphImport, ShapeOptionFixesTheSymbolEverywhere) {
  ModelBuilder builder(13);
  builder.input("x", {1, -1}).input("z", {1, -1}).output("y");
  builder.node("Add", {"x", "z"}, {"y"});
  import::ImportOptions options;
  options.shapes["x"] = {1, 5};
  Imported imported(builder.bytes(), options);
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(argumentShape(imported, 1), llvm::ArrayRef<int64_t>({1, 5}));
}

TEST(GraphImport, ShapeOptionsThatDoNotFitAreUsageErrors) {
  for (auto &[name, shape] :
       std::map<std::string, std::vector<int64_t>>{{"q", {1, 3}}, {"x", {1, 3, 4}}}) {
    import::ImportOptions options;
    options.shapes[name] = shape;
    EXPECT_EQ(Imported(reluModel({-1, 3}).bytes(), options).result.status, ImportStatus::Usage);
  }
  import::ImportOptions options;
  options.shapes["x"] = {1, 4};
  Imported imported(reluModel({-1, 3}).bytes(), options);
  EXPECT_EQ(imported.result.status, ImportStatus::Usage);
  EXPECT_NE(imported.result.message.find("fixes at 3"), std::string::npos)
      << imported.result.message;
}

TEST(GraphImport, BindingsTakeInputsAway) {
  ModelBuilder builder(13);
  builder.input("x", {4}).input("s", {2}, onnx::TensorProto::INT64).output("y");
  builder.node("Reshape", {"x", "s"}, {"y"});
  Imported unbound(builder.bytes());
  EXPECT_EQ(unbound.result.status, ImportStatus::Unsupported);
  ASSERT_EQ(unbound.result.unsupported.size(), 1u);
  EXPECT_NE(unbound.result.unsupported[0].hint.find("--bind"), std::string::npos);

  mlir::MLIRContext context;
  import::ImportOptions options;
  auto &value = options.bindings["s"];
  value = reference::TensorValue::zeros(
      mlir::RankedTensorType::get({2}, mlir::IntegerType::get(&context, 64)));
  value.as<int64_t>()[0] = value.as<int64_t>()[1] = 2;
  import::ImportResult bound = import::importBytes(builder.bytes(), "", options, context);
  ASSERT_EQ(bound.status, ImportStatus::Ok) << bound.message;
  EXPECT_EQ(bound.module->lookupSymbol<mlir::func::FuncOp>("main").getNumArguments(), 1u);
}

TEST(GraphImport, InitializersListedAsInputsAreConstants) {
  ModelBuilder builder(13);
  builder.input("x", {2}).input("w", {2}).output("y");
  builder.floats("w", {2}, {10, 20});
  builder.node("Add", {"x", "w"}, {"y"});
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{1, 2}}), (std::vector<float>{11, 22}));
}

TEST(GraphImport, HalfInputsAreComputedInFloat) {
  ModelBuilder builder(13);
  builder.input("x", {2}, onnx::TensorProto::FLOAT16).output("y", onnx::TensorProto::FLOAT16);
  builder.node("Exp", {"x"}, {"y"});
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  auto type = imported.main().getFunctionType();
  EXPECT_TRUE(mlir::getElementTypeOrSelf(type.getInput(0)).isF16());
  EXPECT_TRUE(mlir::getElementTypeOrSelf(type.getResult(0)).isF16());
}

TEST(GraphImport, UnreadNodesNeedNoSupport) {
  ModelBuilder builder = reluModel({2});
  builder.node("NotAnOperator", {"x"}, {"unused"});
  EXPECT_TRUE(Imported(builder.bytes()).ok());
}

TEST(GraphImport, AllUnsupportedNodesAreReported) {
  ModelBuilder builder(13);
  builder.input("x", {2}).output("y");
  builder.node("Foo", {"x"}, {"a"}).set_name("first");
  builder.node("Relu", {"a"}, {"b"});
  builder.node("Bar", {"b"}, {"y"}); // Behind the first: still reported.
  Imported imported(builder.bytes());
  EXPECT_EQ(imported.result.status, ImportStatus::Unsupported);
  ASSERT_EQ(imported.result.unsupported.size(), 2u);
  EXPECT_EQ(imported.result.unsupported[0].node, "first");
  EXPECT_EQ(imported.result.unsupported[1].node, "Bar#2");
}

TEST(GraphImport, NodesInAnyOrder) {
  ModelBuilder builder(13);
  builder.input("x", {2}).output("y");
  builder.node("Neg", {"a"}, {"y"});
  builder.node("Relu", {"x"}, {"a"});
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{-1, 2}}), (std::vector<float>{0, -2}));
}

TEST(GraphImport, LongChainsDoNotOverflowTheStack) {
  ModelBuilder builder(13);
  constexpr int kNodes = 20000;
  builder.input("v0", {1}).output("v" + std::to_string(kNodes));
  for (int i = kNodes; i > 0; --i) // Backwards: the deepest demand.
    builder.node("Relu", {"v" + std::to_string(i - 1)}, {"v" + std::to_string(i)});
  EXPECT_TRUE(Imported(builder.bytes()).ok());
}

//===----------------------------------------------------------------------===//
// Subgraphs and functions
//===----------------------------------------------------------------------===//

void addNode(onnx::GraphProto &graph, const std::string &op, const std::vector<std::string> &inputs,
             const std::string &output) {
  onnx::NodeProto *node = graph.add_node();
  node->set_op_type(op);
  for (const std::string &input : inputs)
    node->add_input(input);
  node->add_output(output);
}

/// y = condition ? relu(x) : an operator that nobody supports.
ModelBuilder ifModel(bool condition) {
  ModelBuilder builder(13);
  builder.input("x", {2}).output("y");
  auto &flag = builder.ints("flag", {condition});
  flag.set_data_type(onnx::TensorProto::BOOL);
  flag.clear_int64_data();
  flag.add_int32_data(condition);
  onnx::NodeProto &node = builder.node("If", {"flag"}, {"y"});
  onnx::GraphProto &taken = graphAttr(node, "then_branch");
  addNode(taken, "Relu", {"x"}, "t");
  taken.add_output()->set_name("t");
  onnx::GraphProto &other = graphAttr(node, "else_branch");
  addNode(other, "NotAnOperator", {"x"}, "e");
  other.add_output()->set_name("e");
  return builder;
}

TEST(GraphImport, IfTakesOneBranchAndSeesAround) {
  Imported imported(ifModel(true).bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{-1, 2}}), (std::vector<float>{0, 2}));
  EXPECT_EQ(Imported(ifModel(false).bytes()).result.status, ImportStatus::Unsupported);
}

TEST(GraphImport, LoopIsUnrolled) {
  ModelBuilder builder(13);
  builder.input("x", {2}).output("y");
  builder.ints("trips", {3});
  onnx::NodeProto &node = builder.node("Loop", {"trips", "", "x"}, {"y", "all"});
  onnx::GraphProto &body = graphAttr(node, "body");
  for (const char *name : {"i", "go", "v"})
    body.add_input()->set_name(name);
  addNode(body, "Identity", {"go"}, "on");
  addNode(body, "Add", {"v", "v"}, "w");
  addNode(body, "Neg", {"w"}, "n");
  for (const char *name : {"on", "w", "n"})
    body.add_output()->set_name(name);
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{1, 2}}), (std::vector<float>{8, 16}));
  builder.model.mutable_graph()->mutable_output(0)->set_name("all");
  Imported scanned(builder.bytes());
  ASSERT_TRUE(scanned.ok()) << scanned.result.message;
  EXPECT_EQ(scanned.run({{1, 2}}), (std::vector<float>{-2, -4, -4, -8, -8, -16}));
}

TEST(GraphImport, EndlessLoopIsUnsupported) {
  ModelBuilder builder(13);
  builder.input("x", {2}).output("y");
  onnx::NodeProto &node = builder.node("Loop", {"", "", "x"}, {"y"});
  onnx::GraphProto &body = graphAttr(node, "body");
  for (const char *name : {"i", "go", "v"})
    body.add_input()->set_name(name);
  addNode(body, "Identity", {"go"}, "on");
  addNode(body, "Add", {"v", "v"}, "w");
  body.add_output()->set_name("on");
  body.add_output()->set_name("w");
  EXPECT_EQ(Imported(builder.bytes()).result.status, ImportStatus::Unsupported);
}

TEST(GraphImport, FunctionsAreExpanded) {
  ModelBuilder builder(15);
  builder.input("x", {2}).output("y");
  onnx::NodeProto &call = builder.node("Steep", {"x"}, {"y"});
  call.set_domain("local");
  onnx::AttributeProto *slope = call.add_attribute();
  slope->set_name("slope");
  slope->set_type(onnx::AttributeProto::FLOAT);
  slope->set_f(0.25f);
  onnx::FunctionProto *function = builder.model.add_functions();
  function->set_name("Steep");
  function->set_domain("local");
  function->add_input("a");
  function->add_output("b");
  onnx::NodeProto *leaky = function->add_node();
  leaky->set_op_type("LeakyRelu");
  leaky->add_input("a");
  leaky->add_output("b");
  onnx::AttributeProto *alpha = leaky->add_attribute();
  alpha->set_name("alpha");
  alpha->set_ref_attr_name("slope");
  Imported imported(builder.bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({{-4, 2}}), (std::vector<float>{-1, 2}));
}

} // namespace
