/*===- nestor/nestor.h - The Nestor runtime for C -----------------*- C -*-===*\
|*
|* Part of Nestor. SPDX-License-Identifier: Apache-2.0
|*
|*===----------------------------------------------------------------------===*|
|*
|*   nestor_artifact *artifact = NULL;
|*   nestor_session *session = NULL;
|*   nestor_error *error = NULL;
|*   if (nestor_artifact_open("m.nest", NULL, &artifact, &error) != NESTOR_OK ||
|*       nestor_session_create(artifact, NULL, &session, &error) != NESTOR_OK)
|*     return report(nestor_error_message(error));
|*   memcpy(nestor_tensor_data(nestor_session_input(session, 0)), pixels, bytes);
|*   if (nestor_session_run(session, &error) != NESTOR_OK)
|*     return report(nestor_error_message(error));
|*   const float *scores = nestor_tensor_data(nestor_session_output(session, 0));
|*
|* Errors. What can fail returns a code. Where `error` is not null, *error then
|* becomes a new error object, which the caller frees, and null on success; it
|* need not be initialised. On failure nothing else is written. A null argument
|* is an error where one is returned; elsewhere it gives 0, NULL or "". Nothing
|* here aborts or throws on bad input.
|*
|* Ownership. What a function named open or create yields is the caller's, who
|* frees it with the _free function of its type; that takes null too. Strings
|* and dims belong to the artifact, tensors to the session: they live until it
|* is freed. A session keeps what it needs of its artifact, which may be freed
|* first.
|*
|* Threads. An artifact may be used by many threads at once, until one frees
|* it. A session is used by one thread at a time; only
|* nestor_session_set_capacity, _capacity, _upgrade and _upgrade_progress may be
|* called from any thread at any moment. Errors belong to who received them.
|*
|* Versions. Functions, and fields at the end of structs, are added; none are
|* removed or changed while the SOVERSION stays. The first field of a struct is
|* its size as the app was compiled, which the _INIT macro writes. So an app
|* runs with an older or newer library: fields that the library does not know
|* must be 0, those that the app does not know take their defaults.
|*
\*===----------------------------------------------------------------------===*/
#ifndef NESTOR_NESTOR_H
#define NESTOR_NESTOR_H

#include <stddef.h>
#include <stdint.h>

#define NESTOR_API __attribute__((visibility("default")))

/* Raised by one with each addition to this header. */
#define NESTOR_API_VERSION 3

#ifdef __cplusplus
extern "C" {
#endif

/* The NESTOR_API_VERSION of the library that runs. */
NESTOR_API uint32_t nestor_api_version(void);

/*===-- Errors --------------------------------------------------------------===*/

typedef enum nestor_code {
  NESTOR_OK = 0,
  NESTOR_INVALID_ARGUMENT = 1, /* The caller passed something that does not fit. */
  NESTOR_NOT_FOUND = 2,        /* No such file, input, output, capacity or target. */
  NESTOR_IO_ERROR = 3,         /* The system refused an operation on the file. */
  NESTOR_CORRUPT = 4,          /* Not a .nest file, damaged, or inconsistent. */
  NESTOR_INCOMPATIBLE = 5,     /* For another major version of the format. */
  NESTOR_UNSUPPORTED_CPU = 6,  /* No code in the file runs on this CPU. */
  NESTOR_EXEC_REFUSED = 7,     /* The platform forbids mapping code. */
  NESTOR_OUT_OF_MEMORY = 8,
  NESTOR_DATA_LOSS = 9 /* The file was truncated, replaced or damaged after it was opened. */
} nestor_code;

typedef struct nestor_error nestor_error;

/* For logs: "corrupt", ...; "unknown" for a code that this library lacks. */
NESTOR_API const char *nestor_code_name(nestor_code code);
/* NESTOR_OK for null. */
NESTOR_API nestor_code nestor_error_code(const nestor_error *error);
/* One sentence that names the file, the field and the cure. Lives as long as
   the error; "" for null. */
NESTOR_API const char *nestor_error_message(const nestor_error *error);
NESTOR_API void nestor_error_free(nestor_error *error);

/*===-- What an artifact tells ----------------------------------------------===*/

/* Element types. NESTOR_BOOL is one byte, 0 or 1. */
typedef enum nestor_dtype {
  NESTOR_FLOAT32 = 1,
  NESTOR_FLOAT64 = 2,
  NESTOR_FLOAT16 = 3,
  NESTOR_BFLOAT16 = 4,
  NESTOR_INT8 = 5,
  NESTOR_INT16 = 6,
  NESTOR_INT32 = 7,
  NESTOR_INT64 = 8,
  NESTOR_UINT8 = 9,
  NESTOR_UINT16 = 10,
  NESTOR_UINT32 = 11,
  NESTOR_UINT64 = 12,
  NESTOR_BOOL = 13
} nestor_dtype;

/* Bytes of one element; 0 for a type that this library lacks. */
NESTOR_API size_t nestor_dtype_size(nestor_dtype dtype);
/* Spelling of numpy: "float32", "uint8", "bool", ...; "" if unknown. */
NESTOR_API const char *nestor_dtype_name(nestor_dtype dtype);

/* The structs below are filled by the library: set struct_size by the _INIT
   macro before the call. It then holds how many bytes were filled. */

/* An input or an output: dense, row-major, fixed shape. */
typedef struct nestor_tensor_info {
  size_t struct_size;
  const char *name;
  const int64_t *dims; /* `rank` of them. */
  size_t rank;         /* 0 for a scalar. */
  size_t bytes;
  uint32_t dtype; /* A nestor_dtype. */
  uint32_t reserved;
} nestor_tensor_info;
#define NESTOR_TENSOR_INFO_INIT {sizeof(nestor_tensor_info), NULL, NULL, 0, 0, 0, 0}

/* One size of the model. */
typedef struct nestor_capacity_info {
  size_t struct_size;
  uint64_t macs;          /* Multiply-accumulates of one run. */
  uint64_t weight_bytes;  /* Shared weights that it reads. */
  uint64_t private_bytes; /* Bytes that only it reads. */
  uint64_t delta_bytes;   /* What it reads of the file beyond the next smaller one. */
  uint64_t arena_bytes;   /* Activations and scratch of one session. */
  float capacity;         /* Fraction of the full model's MACs. */
  float requested;        /* The fraction that was asked for at compile time. */
  float accuracy;         /* Top-1 measured at compile time, 0 to 1; -1: not measured. */
  float agreement;        /* Share of samples with the original's top-1; -1: not measured. */
  float latency_us;       /* On the compiling host, one thread; 0: not stored. */
  uint32_t skipped;       /* How many residual blocks it leaves out. */
  /* Since API version 2. */
  uint64_t file_bytes;     /* Where the file may end and still open with this capacity. */
  uint64_t resident_bytes; /* What one session keeps in memory once it has run: code,
                              weights, activations, inputs and outputs. */
  /* Since API version 3. */
  const uint32_t *input_extents; /* What it scales the input to first, one extent a
                                    spatial dimension; NULL: it takes it as it is. */
  size_t input_extent_count;
} nestor_capacity_info;
#define NESTOR_CAPACITY_INFO_INIT                                                \
  {sizeof(nestor_capacity_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0}

/* One image of machine code. */
typedef struct nestor_target_info {
  size_t struct_size;
  const char *name;  /* x86-64-v3, aarch64+neon, ... */
  const char *arch;  /* x86_64, aarch64. */
  uint32_t runnable; /* 1 if this CPU can run it, else 0. */
  uint32_t selected; /* 1 if sessions run this one, else 0. */
} nestor_target_info;
#define NESTOR_TARGET_INFO_INIT {sizeof(nestor_target_info), NULL, NULL, 0, 0}

/* Where a run may be split (API version 2). A model of n blocks has the cuts 0 to
   n, number c in front of block c. */
typedef struct nestor_cut_info {
  size_t struct_size;
  const char *name;         /* ONNX node behind which it lies; "" for the first. */
  uint64_t live_bytes;      /* Of the tensors that pass from head to tail. */
  uint64_t live_bytes_f16;  /* With floats as halves. */
  uint64_t live_bytes_int8; /* With floats as one byte each. */
  uint64_t macs_before;
  uint64_t macs_after;
  uint64_t front_bytes; /* Most activation bytes of any block before it. */
  uint64_t back_bytes;  /* And behind it. */
  uint32_t tensors;     /* How many pass. */
  uint32_t dominated;   /* 1 if an earlier cut has no more live bytes, else 0. */
} nestor_cut_info;
#define NESTOR_CUT_INFO_INIT {sizeof(nestor_cut_info), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Head and tail of different capacities that were measured together (API version
   2). Where the tail has fewer channels at the cut than the head, it reads the
   first ones; where it has more, the others are zero. */
typedef struct nestor_mixed_info {
  size_t struct_size;
  float head; /* Capacities. */
  float tail;
  float accuracy; /* Top-1, or without labels the agreement with the full capacity. */
  uint32_t cut;
} nestor_mixed_info;
#define NESTOR_MIXED_INFO_INIT {sizeof(nestor_mixed_info), 0, 0, 0, 0}

/*===-- Artifacts -----------------------------------------------------------===*/

/* An opened .nest file: immutable. Native code in it is trusted like a shared
   library; everything else is checked before it is used. */
typedef struct nestor_artifact nestor_artifact;

typedef enum nestor_verify {
  NESTOR_VERIFY_CODE = 0, /* Header, manifest and code; weights stay untouched. */
  NESTOR_VERIFY_ALL = 1   /* Every byte that has a hash. */
} nestor_verify;

typedef enum nestor_load {
  NESTOR_LOAD_MAP = 0, /* In a mapping: read when touched, shared by processes. */
  NESTOR_LOAD_COPY = 1 /* In memory of their own: later changes of the file do not matter. */
} nestor_load;

typedef struct nestor_open_options {
  size_t struct_size;
  const char *target; /* Runs the code of this target; null: the best for this CPU. */
  uint32_t verify;    /* A nestor_verify. */
  uint32_t reserved;  /* 0. */
  /* Since API version 2. */
  const char *sha256;   /* Opens the file only if this is the SHA-256 of all of its bytes, 64
                           hexadecimal digits; null: any. */
  uint32_t load;        /* A nestor_load: where the bytes of a file are. */
  uint32_t guard;       /* 1: a run whose mapped file is truncated meanwhile fails with
                           NESTOR_DATA_LOSS instead of SIGBUS, by a handler for that signal
                           in this process, which passes on what is not about guarded files. */
  uint32_t no_weights;  /* 1: a mapped file takes no address space for its weights, so that
                           its sessions need a memory budget. */
  uint32_t reserved2;   /* 0. */
} nestor_open_options;
#define NESTOR_OPEN_OPTIONS_INIT                                                 \
  {sizeof(nestor_open_options), NULL, NESTOR_VERIFY_CODE, 0, NULL, NESTOR_LOAD_MAP, 0, 0, 0}

/* Maps a file. Null options are the defaults, here and below. */
NESTOR_API nestor_code nestor_artifact_open(const char *path, const nestor_open_options *options,
                                            nestor_artifact **artifact, nestor_error **error);
/* Maps `length` bytes from `offset`, a multiple of 64, of an open file, such as
   an uncompressed entry of an app package. `fd` may be closed afterwards. */
NESTOR_API nestor_code nestor_artifact_open_fd(int fd, uint64_t offset, uint64_t length,
                                               const nestor_open_options *options,
                                               nestor_artifact **artifact, nestor_error **error);
/* Uses an artifact in memory in place. The memory starts at a multiple of 64,
   and stays alive and unchanged until the artifact and its sessions are freed. */
NESTOR_API nestor_code nestor_artifact_open_memory(const void *data, size_t size,
                                                   const nestor_open_options *options,
                                                   nestor_artifact **artifact,
                                                   nestor_error **error);
/* Uses a model that is linked into the program (nestor/embedded.h, API version
   2): no file, and no memory that is mapped executable. */
struct nestor_embedded;
NESTOR_API nestor_code nestor_artifact_open_embedded(const struct nestor_embedded *model,
                                                     const nestor_open_options *options,
                                                     nestor_artifact **artifact,
                                                     nestor_error **error);
NESTOR_API void nestor_artifact_free(nestor_artifact *artifact);

/* Checks the hash of every section, weights included. */
NESTOR_API nestor_code nestor_artifact_verify(const nestor_artifact *artifact,
                                              nestor_error **error);

/* The name of the ONNX graph; the compiler and its version. */
NESTOR_API const char *nestor_artifact_model_name(const nestor_artifact *artifact);
NESTOR_API const char *nestor_artifact_producer(const nestor_artifact *artifact);
NESTOR_API uint64_t nestor_artifact_file_bytes(const nestor_artifact *artifact);
/* Address space taken by the file and the code, in bytes. */
NESTOR_API uint64_t nestor_artifact_mapped_bytes(const nestor_artifact *artifact);
/* 1; 0 when the file ends before its last capacities. */
NESTOR_API int nestor_artifact_complete(const nestor_artifact *artifact);

/* How many there are, and what number `index` is; NESTOR_NOT_FOUND beyond the
   last. Capacities ascend; the last one is the full model. */
NESTOR_API size_t nestor_artifact_input_count(const nestor_artifact *artifact);
NESTOR_API size_t nestor_artifact_output_count(const nestor_artifact *artifact);
NESTOR_API size_t nestor_artifact_capacity_count(const nestor_artifact *artifact);
NESTOR_API size_t nestor_artifact_target_count(const nestor_artifact *artifact);
NESTOR_API nestor_code nestor_artifact_input(const nestor_artifact *artifact, size_t index,
                                             nestor_tensor_info *info, nestor_error **error);
NESTOR_API nestor_code nestor_artifact_output(const nestor_artifact *artifact, size_t index,
                                              nestor_tensor_info *info, nestor_error **error);
NESTOR_API nestor_code nestor_artifact_capacity(const nestor_artifact *artifact, size_t index,
                                                nestor_capacity_info *info, nestor_error **error);
NESTOR_API nestor_code nestor_artifact_target(const nestor_artifact *artifact, size_t index,
                                              nestor_target_info *info, nestor_error **error);

/* What follows is there since API version 2. */

/* How many cuts there are, 0 for files that cannot be cut; and what cut `index`
   is at capacity number `capacity`. */
NESTOR_API size_t nestor_artifact_cut_count(const nestor_artifact *artifact);
NESTOR_API nestor_code nestor_artifact_cut(const nestor_artifact *artifact, size_t capacity,
                                           size_t index, nestor_cut_info *info,
                                           nestor_error **error);

/* The pairs of capacities that head and tail may have when they are not the same;
   0 unless the model was compiled with --mixed. */
NESTOR_API size_t nestor_artifact_mixed_count(const nestor_artifact *artifact);
NESTOR_API nestor_code nestor_artifact_mixed(const nestor_artifact *artifact, size_t index,
                                             nestor_mixed_info *info, nestor_error **error);

/* The same model in another precision, "int8" where it was compiled with
   --precision f32,int8: an artifact with the same inputs, outputs and capacities.
   Of an artifact in memory it is a part, so that memory must stay.
   NESTOR_NOT_FOUND without one. */
NESTOR_API nestor_code nestor_artifact_variant(const nestor_artifact *artifact,
                                               const char *precision, nestor_artifact **variant,
                                               nestor_error **error);
/* The same artifact with the capacities that have arrived in its file since: for
   a file that a download appends to, or renames over. The new part is checked;
   the old artifact and its sessions stay as they are. NESTOR_DATA_LOSS when the
   file is shorter now, or another artifact. */
NESTOR_API nestor_code nestor_artifact_refresh(const nestor_artifact *artifact,
                                               nestor_artifact **refreshed,
                                               nestor_error **error);
/* Gives back the memory of weights that no session has selected; they come back
   when they are read again. Takes system calls. */
NESTOR_API void nestor_artifact_release_unused(const nestor_artifact *artifact);

/* The smallest nestor_session_options.memory_budget of a session that starts with
   that capacity. */
NESTOR_API nestor_code nestor_artifact_minimum_budget(const nestor_artifact *artifact,
                                                      float capacity, uint64_t *bytes,
                                                      nestor_error **error);

/* Latencies of the capacities on this device. */
typedef struct nestor_calibration nestor_calibration;

/* Measures every capacity on inputs of zeros, `seconds` each (0.2 is usual), with
   `threads` as in nestor_session_options. */
NESTOR_API nestor_code nestor_artifact_calibrate(const nestor_artifact *artifact,
                                                 uint32_t threads, double seconds,
                                                 nestor_calibration **calibration,
                                                 nestor_error **error);
/* One line of text, for the next start of the app, and back. */
NESTOR_API const char *nestor_calibration_text(const nestor_calibration *calibration);
NESTOR_API nestor_code nestor_calibration_parse(const char *text,
                                                nestor_calibration **calibration,
                                                nestor_error **error);
NESTOR_API void nestor_calibration_free(nestor_calibration *calibration);

/* What a capacity must meet; 0: it does not matter. */
typedef struct nestor_capacity_goal {
  size_t struct_size;
  uint64_t memory_bytes; /* At most, nestor_capacity_info.resident_bytes. */
  float latency_us;      /* At most, a run. */
  float accuracy;        /* At least, 0 to 1, as stored at compile time. */
} nestor_capacity_goal;
#define NESTOR_CAPACITY_GOAL_INIT {sizeof(nestor_capacity_goal), 0, 0, 0}

/* The best capacity that meets all of the goal: the most accurate, or where that
   is not stored, the one that agrees most with the original model, or else the
   largest. Latencies are those of `calibration`, or where it is null, of the
   compiling host. NESTOR_NOT_FOUND says what comes closest. */
NESTOR_API nestor_code nestor_artifact_choose_capacity(const nestor_artifact *artifact,
                                                       const nestor_capacity_goal *goal,
                                                       const nestor_calibration *calibration,
                                                       float *capacity, nestor_error **error);

/*===-- Sessions ------------------------------------------------------------===*/

/* Buffers and threads to run one artifact. Sessions share all weights. */
typedef struct nestor_session nestor_session;

/* Threads of the app that share the work of runs (API version 3). For each kernel
   call that is worth sharing, the thread that runs the session calls an executor
   with its context. That calls `task(data)` up to `tasks` times, on threads of its
   choice, at the same time or one after the other, and returns once all of these
   calls have returned. The calls take parts of the work until none is left, and
   what they leave the session does itself: fewer calls make a run slower, not
   wrong. Who calls how often does not change results. A session calls its executor
   from one thread at a time; sessions that share one call it at the same time if
   their runs overlap. A run allocates nothing if the executor does not. */
typedef void (*nestor_task)(void *data);
typedef void (*nestor_executor)(void *context, uint32_t tasks, nestor_task task, void *data);

typedef struct nestor_session_options {
  size_t struct_size;
  float capacity;   /* To start with, within 1e-3 of a stored one. */
  uint32_t threads; /* Share the work of a run, the caller's included; 0: one for
                       every CPU that this process may use. */
  /* Since API version 2. */
  uint64_t memory_budget; /* Runs within that many bytes, reading weights from the file ahead of
                             the run, see nestor_artifact_minimum_budget; 0: no bound. */
  uint32_t first_block;   /* Blocks [first_block, end_block) only; 0 and 0: all that the file */
  uint32_t end_block;     /* has. */
  /* Since API version 3. */
  nestor_executor executor; /* The app's threads; `threads` then says how many they are. Null: the
                               session's own. */
  void *executor_context;   /* Stays there for as long as the session. */
  const uint32_t *cpus;     /* `cpu_count` numbers of CPUs, read by nestor_session_create: where the
                               session's own threads for runs stay. The caller's thread is left
                               alone. Linux and Android only, and not with an executor. */
  size_t cpu_count;         /* 0: on any. */
  uint32_t share_above_ns;  /* Kernel calls that take one thread less time, as estimated, are not
                               shared, and threads that sleep are woken for runs with ten times
                               as much to share; 0: all are shared. Results are the same. */
  uint32_t reserved;        /* 0. */
} nestor_session_options;
#define NESTOR_SESSION_OPTIONS_INIT                                              \
  {sizeof(nestor_session_options), 1.0f, 1, 0, 0, 0, NULL, NULL, NULL, 0, 5000, 0}

/* Makes a session, after checking every kernel call of its plans against the
   buffers that the call touches. */
NESTOR_API nestor_code nestor_session_create(const nestor_artifact *artifact,
                                             const nestor_session_options *options,
                                             nestor_session **session, nestor_error **error);
NESTOR_API void nestor_session_free(nestor_session *session);

/* Runs the model once. Allocates nothing. */
NESTOR_API nestor_code nestor_session_run(nestor_session *session, nestor_error **error);

/* Chooses the capacity of the runs that begin after this call, by its fraction
   of the MACs or by the one that was asked for at compile time. Copies nothing,
   takes no lock. Fails, and changes nothing, if there is none within 1e-3. */
NESTOR_API nestor_code nestor_session_set_capacity(nestor_session *session, float capacity,
                                                   nestor_error **error);
NESTOR_API float nestor_session_capacity(const nestor_session *session);
NESTOR_API uint32_t nestor_session_threads(const nestor_session *session);
/* Memory of this session: activations, scratch, inputs and outputs; with a budget
   also weights and bookkeeping. */
NESTOR_API uint64_t nestor_session_memory_bytes(const nestor_session *session);

/* What follows is there since API version 2. */

/* The capacity that computed the outputs; before, that of the next run. */
NESTOR_API float nestor_session_last_capacity(const nestor_session *session);

/* As nestor_session_set_capacity, once the weights and activations of that
   capacity are in memory: a thread of its own reads them, so that no run waits
   for pages. Another upgrade or choice of a capacity cancels it. */
NESTOR_API nestor_code nestor_session_upgrade(nestor_session *session, float capacity,
                                              nestor_error **error);

typedef enum nestor_upgrade_state {
  NESTOR_UPGRADE_NONE = 0, /* There was no upgrade yet. */
  NESTOR_UPGRADE_RUNNING = 1,
  NESTOR_UPGRADE_DONE = 2, /* The capacity is selected. */
  NESTOR_UPGRADE_CANCELLED = 3,
  NESTOR_UPGRADE_FAILED = 4 /* Weights cannot be read; the next run says why. */
} nestor_upgrade_state;

typedef struct nestor_upgrade_info {
  size_t struct_size;
  uint64_t bytes_done; /* Of weights, in memory. */
  uint64_t bytes_total;
  float capacity; /* That is upgraded to. */
  uint32_t state; /* A nestor_upgrade_state. */
} nestor_upgrade_info;
#define NESTOR_UPGRADE_INFO_INIT {sizeof(nestor_upgrade_info), 0, 0, 0, 0}

NESTOR_API nestor_code nestor_session_upgrade_progress(const nestor_session *session,
                                                       nestor_upgrade_info *info,
                                                       nestor_error **error);
/* Gives back memory that the selected capacity does not need, after a change to a
   smaller one: activations, and weights that no session uses. Outputs stay. */
NESTOR_API void nestor_session_release_unused(nestor_session *session);

/*===-- Split runs (API version 2) ------------------------------------------===*/

/* What passes from head to tail is a stream of bytes that describes itself, for
   another process or device:

     nestor_artifact_stream_bytes(artifact, cut, NESTOR_ENCODING_F16, &room, &error);
     nestor_session_run_head(phone, cut, NESTOR_ENCODING_F16, wire, room, &bytes, &error);
     nestor_session_run_tail(server, cut, wire, bytes, &error);
*/

/* How floats are kept in a stream; integers stay as they are. */
typedef enum nestor_encoding {
  NESTOR_ENCODING_EXACT = 1, /* Head and tail together compute what the whole does. */
  NESTOR_ENCODING_F16 = 2,   /* Halves, rounded to nearest. */
  NESTOR_ENCODING_INT8 = 3   /* One byte, and a scale for each tensor. */
} nestor_encoding;

/* A stream begins with this many bytes, from which nestor_stream_size tells its
   size. It is what the header says: compare it with nestor_artifact_stream_bytes
   before allocating. */
#define NESTOR_STREAM_HEADER_BYTES 48
NESTOR_API nestor_code nestor_stream_size(const void *header, size_t bytes, uint64_t *size,
                                          nestor_error **error);
/* Room for the stream of a cut, at any capacity. */
NESTOR_API nestor_code nestor_artifact_stream_bytes(const nestor_artifact *artifact, uint32_t cut,
                                                    uint32_t encoding, uint64_t *bytes,
                                                    nestor_error **error);
/* Runs the blocks before a cut and writes what is alive there to `stream`, which
   has `room` bytes; *bytes becomes how many they are. Allocates nothing. */
NESTOR_API nestor_code nestor_session_run_head(nestor_session *session, uint32_t cut,
                                               uint32_t encoding, void *stream, size_t room,
                                               size_t *bytes, nestor_error **error);
/* Runs the blocks behind the cut from a stream, of which nothing is trusted: one
   of another artifact, cut or version, or with too few or many bytes, is refused.
   The capacity is that of the head where this session ran it, else the session's
   own; where that is not the stream's, the artifact must list the two as measured
   together. Allocates nothing. */
NESTOR_API nestor_code nestor_session_run_tail(nestor_session *session, uint32_t cut,
                                               const void *stream, size_t bytes,
                                               nestor_error **error);

/*===-- Tensors of a session ------------------------------------------------===*/

typedef struct nestor_tensor nestor_tensor;

/* By index, or by name; null if there is none. The functions below then fail
   with NESTOR_NOT_FOUND, so that one check is enough. */
NESTOR_API nestor_tensor *nestor_session_input(nestor_session *session, size_t index);
NESTOR_API nestor_tensor *nestor_session_output(nestor_session *session, size_t index);
NESTOR_API nestor_tensor *nestor_session_find_input(nestor_session *session, const char *name);
NESTOR_API nestor_tensor *nestor_session_find_output(nestor_session *session, const char *name);

NESTOR_API nestor_code nestor_tensor_get_info(const nestor_tensor *tensor,
                                              nestor_tensor_info *info, nestor_error **error);
NESTOR_API size_t nestor_tensor_bytes(const nestor_tensor *tensor);
/* The session's buffer (64-byte aligned), or the one bound last. An output is
   valid until the next run. */
NESTOR_API void *nestor_tensor_data(const nestor_tensor *tensor);

/* Copy exactly nestor_tensor_bytes() bytes in or out. */
NESTOR_API nestor_code nestor_tensor_copy_from(nestor_tensor *tensor, const void *source,
                                               size_t bytes, nestor_error **error);
NESTOR_API nestor_code nestor_tensor_copy_to(const nestor_tensor *tensor, void *target,
                                             size_t bytes, nestor_error **error);

/* Makes runs read or write the caller's memory, of nestor_tensor_bytes() or
   more and aligned to nestor_tensor_alignment(). It stays alive until rebound;
   null goes back to the session's own buffer. Inputs and outputs must not
   overlap. */
NESTOR_API nestor_code nestor_tensor_bind(nestor_tensor *tensor, void *memory, size_t bytes,
                                          nestor_error **error);
NESTOR_API size_t nestor_tensor_alignment(const nestor_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif /* NESTOR_NESTOR_H */
