"""The one part of the build that pyproject.toml cannot say: a C module that need not be there."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "ichat_gw.media.net._fastloop",
            ["src/ichat_gw/media/net/_fastloop.c"],
            extra_compile_args=["-O2"],
            # Without a compiler, or where it does not compile, the relay runs in plain Python.
            optional=True,
        )
    ]
)
