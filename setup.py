"""Metadata, extras and the ``.mim`` folder of mmseg_da."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

# No OpenMMLab package here: upstream and the onedl fork share import names, so a hard requirement
# would make pip install one family over the other. They are extras, and the user picks one.
REQUIRES = [
    'torch>=2.1',
    'numpy>=1.23',
    'packaging>=21',
    'pillow>=9',
    'jinja2>=3',
    'matplotlib>=3.5',
]
UPSTREAM = ['mmsegmentation>=1.2.2,<1.3', 'mmengine>=0.10.7,<0.11', 'ftfy', 'regex']
DOCS = ['sphinx>=8', 'myst-parser>=4', 'furo']
EXTRAS = {
    # Bring your own compiled mmcv (>=2.0.0,<2.2): naming it here could start a half-hour build.
    'openmmlab': UPSTREAM,
    'lite': [*UPSTREAM, 'mmcv-lite>=2.1.0,<2.2'],
    'onedl': [
        'onedl-mmsegmentation>=1.4.2,<1.5',
        'onedl-mmengine>=0.10.12,<0.11',
        'onedl-mmcv>=2.3.6,<2.4',
        'torch>=2.4',
    ],
    'cityscapes': ['cityscapesscripts>=2.2', 'numpy<2.4'],
    'docs': DOCS,
    'dev': [
        *DOCS,
        'pytest>=8',
        'pytest-timeout',
        'pytest-xdist',
        'hypothesis',
        'ruff',
        'mypy',
        'nbclient',
        'nbformat',
        'ipykernel',
        'onnx',
        'onnxruntime',
        'onnxscript',
        'pre-commit',
        'pre-commit-hooks',
        'setuptools>=70.1',  # builds a wheel in the tests, without the package `wheel` from here on
    ],
}


def read_version() -> str:
    """Read the version as text: importing the package would need its requirements."""
    text = (ROOT / 'mmseg_da' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)[1]


def read_readme() -> str:
    """Return the README, or nothing when it is not there."""
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.is_file() else ''


class BuildWithMim(build_py):
    """Copy configs and tools to where ``mim`` looks for them in an installed package."""

    def run(self) -> None:
        super().run()
        # An editable install runs from the checkout: there is nothing to copy into.
        if not getattr(self, 'editable_mode', False):
            self._copy_mim(Path(self.build_lib) / 'mmseg_da' / '.mim')

    @staticmethod
    def _copy_mim(target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
        for name in ('configs', 'tools'):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target / name, ignore=ignore)
        if (ROOT / 'model-index.yml').is_file():
            shutil.copy2(ROOT / 'model-index.yml', target)


setup(
    name='mmseg-da',
    version=read_version(),
    description='Domain adaptation for MMSegmentation 1.x',
    long_description=read_readme(),
    long_description_content_type='text/markdown',
    author='mmseg_da contributors',
    license='Apache-2.0',
    keywords='semantic segmentation, domain adaptation, mmsegmentation, AdaptSegNet',
    packages=find_packages(include=['mmseg_da', 'mmseg_da.*']),
    package_data={'mmseg_da.visualization': ['*.html'], 'mmseg_da.new_config': ['*.jinja']},
    entry_points={'console_scripts': ['mmseg-da = mmseg_da.command:main']},
    python_requires='>=3.10,<3.13',
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
)
