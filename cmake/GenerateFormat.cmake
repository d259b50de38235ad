# Runs nanopb's generator on artifact.proto. MODE update: replaces the committed
# files. MODE check: fails if they differ from what the generator writes.
set(files artifact.pb.h artifact.pb.c)
file(MAKE_DIRECTORY ${WORK})
execute_process(
  COMMAND ${PYTHON} ${GENERATOR} --quiet --strip-path --output-dir=${WORK} -I ${FORMAT}
    artifact.proto
  WORKING_DIRECTORY ${FORMAT} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "nanopb_generator.py failed; it needs python3-protobuf")
endif()
foreach(file ${files})
  if(MODE STREQUAL "update")
    file(COPY_FILE ${WORK}/${file} ${FORMAT}/${file} ONLY_IF_DIFFERENT)
  else()
    file(SHA256 ${WORK}/${file} now)
    file(SHA256 ${FORMAT}/${file} committed)
    if(NOT now STREQUAL committed)
      message(FATAL_ERROR "runtime/format/${file} is not what artifact.proto gives: "
        "build the target update-format and commit the result")
    endif()
  endif()
endforeach()
