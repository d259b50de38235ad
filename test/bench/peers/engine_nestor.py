# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Nestor, through its C interface, so that nothing but the library need be built."""
import ctypes
import os

import numpy as np

from peers.engines import Engine


class SessionOptions(ctypes.Structure):
    """nestor_session_options of API version 1, which every later library takes."""
    _fields_ = [("struct_size", ctypes.c_size_t), ("capacity", ctypes.c_float), ("threads", ctypes.c_uint32)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("dims", ctypes.POINTER(ctypes.c_int64)),
                ("rank", ctypes.c_size_t), ("bytes", ctypes.c_size_t), ("dtype", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32)]


def load_library():
    """libnestor.so of the environment's NESTOR_LIBRARY."""
    library = ctypes.CDLL(os.environ["NESTOR_LIBRARY"])
    for function in ("nestor_session_find_input", "nestor_session_output", "nestor_tensor_data"):
        getattr(library, function).restype = ctypes.c_void_p
    library.nestor_error_message.restype = ctypes.c_char_p
    library.nestor_artifact_producer.restype = ctypes.c_char_p
    library.nestor_artifact_output_count.restype = ctypes.c_size_t
    return library


class Nestor(Engine):
    LIBRARY = load_library()

    @staticmethod
    def prepare(model, folder):
        raise RuntimeError("artifacts are compiled by the benchmark, which knows the flags")

    def call(self, function, *arguments):
        error = ctypes.c_void_p()
        if getattr(self.LIBRARY, function)(*arguments, ctypes.byref(error)) != 0:
            raise RuntimeError(self.LIBRARY.nestor_error_message(error).decode())

    def __init__(self, path, threads, feeds):
        self.artifact, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("nestor_artifact_open", path.encode(), None, ctypes.byref(self.artifact))
        options = SessionOptions(ctypes.sizeof(SessionOptions), 1.0, threads)
        self.call("nestor_session_create", self.artifact, ctypes.byref(options), ctypes.byref(self.session))
        for name, array in feeds.items():
            tensor = ctypes.c_void_p(self.LIBRARY.nestor_session_find_input(self.session, name.encode()))
            self.call("nestor_tensor_copy_from", tensor, array.ctypes.data_as(ctypes.c_void_p),
                      ctypes.c_size_t(array.nbytes))
        self.run_session = self.LIBRARY.nestor_session_run

    def __del__(self):
        self.LIBRARY.nestor_session_free(self.session)
        self.LIBRARY.nestor_artifact_free(self.artifact)

    def run(self):
        if self.run_session(self.session, None):
            raise RuntimeError("nestor_session_run failed")

    def outputs(self):
        return [self.output(index) for index in range(self.LIBRARY.nestor_artifact_output_count(self.artifact))]

    def output(self, index):
        info = TensorInfo(struct_size=ctypes.sizeof(TensorInfo))
        self.call("nestor_artifact_output", self.artifact, ctypes.c_size_t(index), ctypes.byref(info))
        tensor = ctypes.c_void_p(self.LIBRARY.nestor_session_output(self.session, ctypes.c_size_t(index)))
        data = ctypes.cast(self.LIBRARY.nestor_tensor_data(tensor), ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(data, tuple(info.dims[: info.rank])).copy()

    @staticmethod
    def version():
        return f"API {Nestor.LIBRARY.nestor_api_version()}"


ENGINE = Nestor
