# The install rules, each for two layouts: that of `cmake --install`, whose
# components are Runtime and Compiler, and Debian's (NestorPackages.cmake), with
# a component for each package and libraries in a folder of the architecture.
include(CMakePackageConfigHelpers)

# nestor_install_runtime(EXPORT <name> LIBDIR <folder> LIBRARY <component>
#                        DEVELOPMENT <component> [EXCLUDE_FROM_ALL])
# LIBRARY gets what apps load, DEVELOPMENT what they are built with. Two calls
# differ in EXPORT.
function(nestor_install_runtime)
  cmake_parse_arguments(PARSE_ARGV 0 arg EXCLUDE_FROM_ALL "EXPORT;LIBDIR;LIBRARY;DEVELOPMENT" "")
  set(optional)
  if(arg_EXCLUDE_FROM_ALL)
    set(optional EXCLUDE_FROM_ALL)
  endif()
  set(work ${PROJECT_BINARY_DIR}/install/${arg_EXPORT})
  set(package_dir ${arg_LIBDIR}/cmake/nestor)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/nestorConfig.cmake.in
    ${work}/nestorConfig.cmake INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${work}/nestorConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  # Relative, so that `cmake --install --prefix` and moving the files both work.
  file(RELATIVE_PATH pc_to_prefix /prefix/${arg_LIBDIR}/pkgconfig /prefix)
  set(pc_libdir ${arg_LIBDIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/nestor.pc.in ${work}/nestor.pc @ONLY)

  install(TARGETS nestor EXPORT ${arg_EXPORT}
    LIBRARY DESTINATION ${arg_LIBDIR} COMPONENT ${arg_LIBRARY}
      NAMELINK_COMPONENT ${arg_DEVELOPMENT} ${optional})
  install(TARGETS nestor_static EXPORT ${arg_EXPORT}
    ARCHIVE DESTINATION ${arg_LIBDIR} COMPONENT ${arg_DEVELOPMENT} ${optional})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/nestor
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ${arg_DEVELOPMENT} ${optional})
  install(EXPORT ${arg_EXPORT} FILE nestorTargets.cmake NAMESPACE nestor::
    DESTINATION ${package_dir} COMPONENT ${arg_DEVELOPMENT} ${optional})
  install(FILES ${work}/nestorConfig.cmake ${work}/nestorConfigVersion.cmake
    DESTINATION ${package_dir} COMPONENT ${arg_DEVELOPMENT} ${optional})
  install(FILES ${work}/nestor.pc
    DESTINATION ${arg_LIBDIR}/pkgconfig COMPONENT ${arg_DEVELOPMENT} ${optional})
endfunction()

# nestor_install_compiler(EXPORT <name> LIBDIR <folder> COMPONENT <component>
#                         [EXCLUDE_FROM_ALL])
function(nestor_install_compiler)
  cmake_parse_arguments(PARSE_ARGV 0 arg EXCLUDE_FROM_ALL "EXPORT;LIBDIR;COMPONENT" "")
  set(optional)
  if(arg_EXCLUDE_FROM_ALL)
    set(optional EXCLUDE_FROM_ALL)
  endif()
  install(TARGETS nestorc EXPORT ${arg_EXPORT}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${arg_COMPONENT} ${optional})
  install(EXPORT ${arg_EXPORT} FILE nestorCompilerTargets.cmake NAMESPACE nestor::
    DESTINATION ${arg_LIBDIR}/cmake/nestor COMPONENT ${arg_COMPONENT} ${optional})
endfunction()
