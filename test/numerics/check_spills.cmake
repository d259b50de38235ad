# Emits the benchmark's kernels for every target and checks their inner loops.
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
set(emit ${BENCH} x86-64-v2 x86-64-v3 x86-64-v4 aarch64+neon --dump ${DIRECTORY})
execute_process(COMMAND ${emit} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
# Winograd's algorithm by blocks of tiles and by panels, with filters in one piece
# and in shells.
execute_process(COMMAND ${emit} --winograd --layer "resnet50 3x3" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${emit} --winograd --layer "resnet50 3x3 28" --shells 4
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
# Whatever --tune may choose: by rows, by pixels, with few pixels, depthwise.
foreach(layer "resnet50 3x3 28" "mobilenet 1x1 56" "mobilenet 1x1 7" "mobilenet dw 56" "mobilenet dw 14 576")
  execute_process(COMMAND ${emit} --tiles --layer ${layer} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND ${emit} --tiles --winograd --layer "resnet50 3x3 28" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB winograd ${DIRECTORY}/*_winograd*.so)
if(NOT winograd)
  message(FATAL_ERROR "no kernel of Winograd's algorithm was emitted")
endif()
file(GLOB images ${DIRECTORY}/*.so)
list(LENGTH images count)
if(count EQUAL 0)
  message(FATAL_ERROR "no kernel was emitted")
endif()
execute_process(COMMAND ${PYTHON} ${CHECK} --objdump ${OBJDUMP} ${images} COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "${count} images, no vector on the stack in an inner loop")
