# Debian packages, one for each component below:
#   cpack --preset deb               (from the build of the preset release)
# Their contents lie where Debian wants them, which `cmake --install` leaves to
# its user: hence install rules of their own, which only cpack runs.
include(NestorInstall)

set(packages libnestor libnestor-dev)
set(deb_libdir lib/${CMAKE_LIBRARY_ARCHITECTURE})
nestor_install_runtime(EXPORT nestorPackageTargets LIBDIR ${deb_libdir}
  LIBRARY libnestor DEVELOPMENT libnestor-dev EXCLUDE_FROM_ALL)
if(TARGET nestor_tool)
  list(APPEND packages nestor-tools)
  install(TARGETS nestor_tool RUNTIME DESTINATION bin COMPONENT nestor-tools EXCLUDE_FROM_ALL)
endif()
if(TARGET nestorc)
  list(APPEND packages nestorc)
  nestor_install_compiler(EXPORT nestorPackageCompilerTargets LIBDIR ${deb_libdir}
    COMPONENT nestorc EXCLUDE_FROM_ALL)
endif()
include(NestorPythonPackage)
if(NESTOR_PYTHON_PACKAGE)
  list(APPEND packages python3-nestor)
endif()

set(NESTOR_PACKAGE_CONTACT "Nestor developers <nestor@nestor.invalid>" CACHE STRING
  "Maintainer of the Debian packages")

# Documents, as Debian wants them: compressed in the same way each time.
set(debian ${PROJECT_SOURCE_DIR}/cmake/debian)
set(work ${PROJECT_BINARY_DIR}/install/debian)
find_program(NESTOR_GZIP gzip)
function(install_document source name destination package)
  configure_file(${source} ${work}/${name} @ONLY)
  if(NESTOR_GZIP)
    execute_process(COMMAND ${NESTOR_GZIP} -9nc ${work}/${name} OUTPUT_FILE ${work}/${name}.gz
      COMMAND_ERROR_IS_FATAL ANY)
    set(name ${name}.gz)
  endif()
  install(FILES ${work}/${name} DESTINATION ${destination} COMPONENT ${package} EXCLUDE_FROM_ALL)
endfunction()
foreach(package ${packages})
  install(FILES ${debian}/copyright
    DESTINATION share/doc/${package} COMPONENT ${package} EXCLUDE_FROM_ALL)
  install_document(${debian}/changelog.in changelog share/doc/${package} ${package})
  # Each override says why.
  if(EXISTS ${debian}/${package}.lintian-overrides)
    install(FILES ${debian}/${package}.lintian-overrides RENAME ${package}
      DESTINATION share/lintian/overrides COMPONENT ${package} EXCLUDE_FROM_ALL)
  endif()
endforeach()
foreach(page nestor-tools:nestor.1 nestorc:nestorc.1)
  string(REGEX MATCH "(.*):(.*)" page ${page})
  if(CMAKE_MATCH_1 IN_LIST packages)
    install_document(${debian}/${CMAKE_MATCH_2} ${CMAKE_MATCH_2} share/man/man1 ${CMAKE_MATCH_1})
  endif()
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME nestor)
set(CPACK_PACKAGE_VENDOR "Nestor developers")
set(CPACK_PACKAGE_CONTACT ${NESTOR_PACKAGE_CONTACT})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL ${packages})
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Another version is another ABI while the name of the library says 0.x.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY =)

# describe(<package> <section> <summary> <line>...): what apt shows. Libraries
# that its files link to become dependencies by dpkg-shlibdeps.
function(describe package section)
  string(TOUPPER ${package} key)
  list(JOIN ARGN "\n" description)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${package} PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_DESCRIPTION ${description} PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_SHLIBDEPS ON PARENT_SCOPE)
endfunction()

describe(libnestor libs "runs neural networks of several sizes in one file"
  "Maps .nest artifacts, which hold several sizes of one neural network as"
  "native code and one copy of the weights, runs the size that the app asks"
  "for and changes it in microseconds."
  ""
  "This package has the shared library.")
describe(libnestor-dev libdevel "runs neural networks of several sizes in one file (development)"
  "Maps .nest artifacts, which hold several sizes of one neural network as"
  "native code and one copy of the weights, runs the size that the app asks"
  "for and changes it in microseconds."
  ""
  "This package has the headers, the static library and the files for CMake"
  "and pkg-config.")
set(CPACK_DEBIAN_LIBNESTOR-DEV_PACKAGE_DEPENDS "libnestor (= ${PROJECT_VERSION}), libstdc++-12-dev | libstdc++-dev")
set(CPACK_DEBIAN_LIBNESTOR-DEV_PACKAGE_SHLIBDEPS OFF)
describe(nestor-tools science "inspects, runs and measures .nest artifacts"
  "The program nestor shows what an artifact holds, runs it on arrays of numpy,"
  "measures latency and accuracy of its capacities and verifies it.")
describe(nestorc devel "compiles ONNX models to .nest artifacts of several sizes"
  "Prunes a trained ONNX model into several nested sizes, wins their accuracy"
  "back, and writes all of them into one file with one copy of the weights and"
  "native code for x86-64 and 64-bit Arm.")
set(CPACK_DEBIAN_NESTORC_PACKAGE_RECOMMENDS nestor-tools)
set(CPACK_DEBIAN_NESTORC_PACKAGE_SUGGESTS libnestor-dev)
describe(python3-nestor python "runs .nest artifacts from Python"
  "Opens artifacts that hold several sizes of one neural network, and runs them"
  "on arrays of numpy without copies.")
set(CPACK_DEBIAN_PYTHON3-NESTOR_PACKAGE_DEPENDS "python3 (>= 3.11), python3-numpy")
# What is copied there keeps its name.
configure_file(${CMAKE_CURRENT_LIST_DIR}/debian/python3-nestor.prerm ${PROJECT_BINARY_DIR}/install/prerm
  FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE COPYONLY)
set(CPACK_DEBIAN_PYTHON3-NESTOR_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/install/prerm)
include(CPack)
