# Whether the package python3-nestor can be made, and how: pip builds
# python_bindings, so that what the package has is what `pip install` gives.
set(NESTOR_PACKAGE_PYTHON ${Python3_EXECUTABLE} CACHE FILEPATH
  "Python 3 with pip, nanobind and scikit-build-core, for the package python3-nestor")
set(NESTOR_PYTHON_PACKAGE OFF)
if(NOT EXISTS ${PROJECT_SOURCE_DIR}/python_bindings/pyproject.toml OR NOT NESTOR_PACKAGE_PYTHON)
  return()
endif()
execute_process(COMMAND ${NESTOR_PACKAGE_PYTHON} -c "import pip, nanobind, scikit_build_core"
  RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
if(missing)
  message(STATUS "No package python3-nestor: ${NESTOR_PACKAGE_PYTHON} lacks pip, nanobind or "
    "scikit-build-core (cure: install them in a virtual environment, set NESTOR_PACKAGE_PYTHON to its python)")
  return()
endif()
set(NESTOR_PYTHON_PACKAGE ON)
configure_file(${CMAKE_CURRENT_LIST_DIR}/InstallPython.cmake.in
  ${PROJECT_BINARY_DIR}/install/InstallPython.cmake @ONLY)
install(SCRIPT ${PROJECT_BINARY_DIR}/install/InstallPython.cmake
  COMPONENT python3-nestor EXCLUDE_FROM_ALL)
