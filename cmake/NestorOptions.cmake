# Compile options that every target shares.
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-Wall -Wextra)

if(NESTOR_SANITIZE)
  add_compile_options(-fsanitize=${NESTOR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NESTOR_SANITIZE})
  # The vptr check compares type information, and the runtime has none (-fno-rtti).
  if(NESTOR_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()

# Coverage of all code leads the fuzzers; they alone link libFuzzer's main.
if(NESTOR_BUILD_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# ccache is a convenience: it is used where it is found, and only there.
find_program(NESTOR_CCACHE ccache)
if(NESTOR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${NESTOR_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${NESTOR_CCACHE})
endif()

# One MLIR link takes over a second and a few hundred megabytes.
set_property(GLOBAL PROPERTY JOB_POOLS link_pool=1)
set(CMAKE_JOB_POOL_LINK link_pool)
