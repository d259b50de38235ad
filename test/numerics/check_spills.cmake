# Emits the kernels of the benchmark and of training for every target and checks
# their inner loops.
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
set(emit ${BENCH} x86-64-v2 x86-64-v3 x86-64-v4 aarch64+neon --dump ${DIRECTORY})
execute_process(COMMAND ${emit} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
# Winograd's algorithm by blocks of tiles and by panels, with filters in one piece
# and in shells.
execute_process(COMMAND ${emit} --winograd --layer "resnet50 3x3" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${emit} --winograd --layer "resnet50 3x3 28" --shells 4
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
# Strassen's, the same.
execute_process(COMMAND ${emit} --strassen --layer "resnet50 1x1" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${emit} --strassen --layer "1x1 14" --shells 4 OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
# Products of bytes, by the best instruction that each target has for them.
execute_process(COMMAND ${emit} --bytes --layer "resnet50 1x1 14" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${emit} --bytes --layer "cifar 3x3" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(pair IN ITEMS x86-64-v2=pmaddwd x86-64-v3=vpmaddwd x86-64-v4+vnni=vpdpbusd aarch64+neon=mla
    aarch64+neon+dotprod=sdot aarch64+neon+i8mm=usdot)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 target)
  list(GET pair 1 instruction)
  file(GLOB bytes ${DIRECTORY}/*_bytes.${target}.so)
  execute_process(COMMAND ${PYTHON} ${CHECK} --objdump ${OBJDUMP} --require ${instruction} ${bytes}
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
# Filters that are widened as they are loaded.
foreach(weights f16 bf16)
  execute_process(COMMAND ${emit} --weights ${weights} --layer "resnet50" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${emit} --weights ${weights} --layer "mobilenet 1x1" --shells 4
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
# Depthwise convolutions that sum their rows, with a short and a long epilogue.
foreach(layer "mobilenet dw" "efficientnet dw" "mobilenetv3 dw")
  execute_process(COMMAND ${emit} --row-sums --layer ${layer} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
# What training runs: convolutions of both directions, gradients of filters, packing.
execute_process(COMMAND ${TRAINING} ${DIRECTORY} x86-64-v2 x86-64-v3 x86-64-v4 aarch64+neon
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
# Whatever --tune may choose: by rows, by pixels, with few pixels, depthwise.
foreach(layer "resnet50 3x3 28" "mobilenet 1x1 56" "mobilenet 1x1 7" "mobilenet dw 56" "mobilenet dw 14 576")
  execute_process(COMMAND ${emit} --tiles --layer ${layer} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND ${emit} --tiles --winograd --layer "resnet50 3x3 28" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${emit} --tiles --strassen --layer "resnet50 1x1 28" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB winograd ${DIRECTORY}/*_winograd*.so)
if(NOT winograd)
  message(FATAL_ERROR "no kernel of Winograd's algorithm was emitted")
endif()
foreach(kernels "*_strassen" "*_strassen_shells4" "*_strassen_tile*" "*_sums" "training_*" "training_*_winograd4")
  file(GLOB found ${DIRECTORY}/${kernels}.*.so)
  if(NOT found)
    message(FATAL_ERROR "no image ${kernels} was written")
  endif()
endforeach()
file(GLOB images ${DIRECTORY}/*.so)
list(LENGTH images count)
if(count EQUAL 0)
  message(FATAL_ERROR "no kernel was emitted")
endif()
execute_process(COMMAND ${PYTHON} ${CHECK} --objdump ${OBJDUMP} ${images} COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "${count} images, no vector on the stack in an inner loop")
