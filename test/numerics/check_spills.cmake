# Emits the benchmark's kernels for every target and checks their inner loops.
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
execute_process(COMMAND ${BENCH} x86-64-v2 x86-64-v3 x86-64-v4 aarch64+neon --dump ${DIRECTORY}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB images ${DIRECTORY}/*.so)
list(LENGTH images count)
if(count EQUAL 0)
  message(FATAL_ERROR "no kernel was emitted")
endif()
execute_process(COMMAND ${PYTHON} ${CHECK} --objdump ${OBJDUMP} ${images} COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "${count} images, no vector on the stack in an inner loop")
