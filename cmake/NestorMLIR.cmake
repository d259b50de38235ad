# Finds LLVM, MLIR, lld, protobuf and ONNX, and sets the options that code
# built against Debian's LLVM needs. Included only when the compiler is built.
find_package(MLIR REQUIRED CONFIG
  PATHS /usr/lib/llvm-22/lib/cmake/mlir)
find_package(ZLIB REQUIRED)
find_package(zstd QUIET)
if(NOT TARGET zstd::libzstd_shared)
  find_library(NESTOR_ZSTD zstd REQUIRED)
  add_library(zstd::libzstd_shared SHARED IMPORTED)
  set_target_properties(zstd::libzstd_shared PROPERTIES IMPORTED_LOCATION ${NESTOR_ZSTD})
endif()
find_package(LLD REQUIRED CONFIG PATHS /usr/lib/llvm-22/lib/cmake/lld)
find_package(Protobuf REQUIRED)
find_library(NESTOR_ONNX_PROTO onnx_proto REQUIRED)
find_package(CLI11 REQUIRED CONFIG)

list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
# TableGen takes its include paths from the directory.
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})

# Interface target of everything in compiler/, passes/ and the compiler tools.
# Debian's LLVM is built without exceptions and with RTTI.
add_library(nestor_mlir INTERFACE)
target_include_directories(nestor_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(nestor_mlir INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(nestor_mlir INTERFACE -fno-exceptions -Wno-unused-parameter)
target_link_libraries(nestor_mlir INTERFACE MLIR LLVM)
