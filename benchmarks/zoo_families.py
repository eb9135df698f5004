"""What the model zoo says of each method that no config and no measurement says.

The paper's figures are quoted from `docs/methods`, by the row and column of a table there.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quote:
    """Where a page of ``docs/methods`` quotes a figure.

    Attributes:
        page: Name of the page.
        row: First cell of the table's row.
        column: Which cell after it, from 1.
        item: Which number of the cell, from 0.
        note: What the reader of the figure has to know.
    """

    page: str
    row: str
    column: int = 1
    item: int = 0
    note: str = ''


@dataclass(frozen=True)
class Family:
    """One folder ``configs/NAME`` with a README and a metafile.

    Attributes:
        title: Its name.
        configs: Patterns of its configs below ``configs``, without ``.py``.
        page: Its page below ``docs``.
        papers: Titles and addresses.
        quotes: The paper's figures by config.
    """

    title: str
    configs: tuple[str, ...]
    page: str
    papers: dict[str, str] = field(default_factory=dict)
    quotes: dict[str, Quote] = field(default_factory=dict)


ADAPTSEGNET = {
    'Learning to Adapt Structured Output Space for Semantic Segmentation (CVPR 2018)': 'https://arxiv.org/abs/1802.10349'
}
ADVENT = {
    'ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic Segmentation (CVPR 2019)': 'https://arxiv.org/abs/1811.12833'
}
CYCADA = {
    'CyCADA: Cycle-Consistent Adversarial Domain Adaptation (ICML 2018)': 'https://arxiv.org/abs/1711.03213'
}
FDA = {
    'FDA: Fourier Domain Adaptation for Semantic Segmentation (CVPR 2020)': 'https://arxiv.org/abs/2004.05498'
}
CBST = {
    'Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training (ECCV 2018)': 'https://arxiv.org/abs/1810.07911'
}
DACS = {
    'DACS: Domain Adaptation via Cross-domain Mixed Sampling (WACV 2021)': 'https://arxiv.org/abs/2007.08702'
}
DAFORMER = {
    'DAFormer: Improving Network Architectures and Training Strategies for Domain-Adaptive Semantic Segmentation (CVPR 2022)': 'https://arxiv.org/abs/2111.14887'
}
HRDA = {
    'HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation (ECCV 2022)': 'https://arxiv.org/abs/2204.13132'
}
MIC = {
    'MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation (CVPR 2023)': 'https://arxiv.org/abs/2212.01322'
}
VFM = {
    'Exploring the Benefits of Vision Foundation Models for Unsupervised Domain Adaptation (CVPRW 2024)': 'https://arxiv.org/abs/2406.09896'
}
MADAN = {
    'Multi-source Domain Adaptation for Semantic Segmentation (NeurIPS 2019)': 'https://arxiv.org/abs/1910.12181'
}
PSPNET = {'Pyramid Scene Parsing Network (CVPR 2017)': 'https://arxiv.org/abs/1612.01105'}


def _hoyer(method: str) -> dict[str, Quote]:
    """The figures of the table that the pages of DAFormer and HRDA share."""
    row = "paper's repository, mIoU, mean of three seeds"
    seeds = "the authors' repository, three seeds"
    return {
        f'{method}_gta2cs': Quote(method, row, 1, note=seeds),
        f'{method}_synthia2cs': Quote(method, row, 2, note=f'16 classes; {seeds}'),
        f'{method}_cs2acdc': Quote(method, row, 3, note=f'test set; {seeds}'),
        f'{method}_cs2darkzurich': Quote(method, row, 4, note=f'test set; {seeds}'),
    }


# A config belongs to the first family that one of whose patterns it matches.
FAMILIES = {
    'multi_source': Family(
        'Several sources',
        ('*_gta_synthia2cs',),
        'methods/multi_source.md',
        MADAN | ADVENT | FDA,
        {
            'madan_gta_synthia2cs': Quote(
                'multi_source', "MADAN's paper, FCN8s", note='16 classes; ours is not all of it'
            )
        },
    ),
    'few_labels': Family(
        'A few labelled target images',
        ('fewlabel*', 'targetonly*', 'small/fewlabel_*', 'small/targetonly_*'),
        'methods/few_labels.md',
    ),
    'self_training': Family(
        'Self-training in rounds: FDA-MBT and CBST',
        ('fda_mbt_*', 'cbst_*', 'small/fda_mbt_*', 'small/cbst_*'),
        'methods/self_training.md',
        FDA | CBST,
        {
            'fda_mbt_gta2cs': Quote(
                'self_training', 'FDA, paper: DeepLabV2, three networks, two rounds with labels', 2
            )
        },
    ),
    'mic': Family(
        'MIC',
        ('mic_*', 'small/mic_*'),
        'methods/mic.md',
        MIC,
        {'mic_gta2cs': Quote('mic', 'paper, MIC on HRDA')},
    ),
    'vfm': Family(
        'VFM-UDA',
        ('vfm_*', 'small/vfm_*'),
        'methods/vfm.md',
        VFM,
        {
            'vfm_gta2cs': Quote('vfm', "released code's authors, ViT-L"),
            'vfm_dinov2b_gta2cs': Quote('vfm', "released code's authors, ViT-B"),
        },
    ),
    'hrda': Family('HRDA', ('hrda_*', 'small/hrda_*'), 'methods/hrda.md', HRDA, _hoyer('hrda')),
    'daformer': Family(
        'DAFormer',
        ('daformer_*', 'small/daformer_*'),
        'methods/daformer.md',
        DAFORMER,
        _hoyer('daformer'),
    ),
    'dacs': Family(
        'DACS',
        ('dacs_*', 'small/dacs_*'),
        'methods/dacs.md',
        DACS,
        {
            'dacs_gta2cs': Quote('dacs', 'paper'),
            'dacs_synthia2cs': Quote('dacs', 'paper', 2, note='16 classes'),
        },
    ),
    'fda': Family(
        'FDA',
        ('fda_*', 'small/fda_*'),
        'methods/fda.md',
        FDA,
        {'fda_gta2cs': Quote('fda', "paper's gain, single β", item=1)},
    ),
    'cycada': Family(
        'CyCADA',
        ('cycada*', 'cycada/*', 'small/cycada_*'),
        'methods/cycada.md',
        CYCADA,
        {
            'cycada/fcn8s_gta2cs': Quote('cycada', 'paper, FCN8s', 4),
            'cycada/drn26_gta2cs': Quote('cycada', 'paper, DRN-26', 4),
        },
    ),
    'advent': Family(
        'ADVENT: AdvEnt and MinEnt',
        ('advent_*', 'minent_*', 'small/advent_*', 'small/minent_*'),
        'methods/advent.md',
        ADVENT,
        {
            'advent_gta2cs': Quote('advent', 'paper, AdvEnt'),
            'advent_synthia2cs': Quote('advent', 'paper, AdvEnt', 2, note='16 classes'),
            'minent_gta2cs': Quote('advent', 'paper, MinEnt'),
            'minent_synthia2cs': Quote('advent', 'paper, MinEnt', 2, note='16 classes'),
        },
    ),
    'adaptsegnet': Family(
        'AdaptSegNet',
        ('adaptsegnet_*', 'small/adaptsegnet_*', 'small/merged_*'),
        'methods/adaptsegnet.md',
        ADAPTSEGNET,
        {
            'adaptsegnet_gta2cs': Quote('adaptsegnet', 'paper, multi-level'),
            'adaptsegnet_single_gta2cs': Quote('adaptsegnet', 'paper, single level'),
            'adaptsegnet_lsgan_gta2cs': Quote(
                'adaptsegnet',
                "paper's repository, least squares, single level",
                note="the authors' repository",
            ),
            'adaptsegnet_synthia2cs': Quote(
                'adaptsegnet',
                'paper: source only, single level, multi-level',
                item=2,
                note='13 classes',
            ),
        },
    ),
    'finetune': Family(
        'Fine-tuning', ('pspnet_*', 'small/finetune_*'), 'methods/finetune.md', PSPNET
    ),
    'baselines': Family(
        'Baselines without adaptation',
        ('source_only_*', 'small/source_only_*', 'small/upper_bound_*'),
        'benchmarks.md',
        {},
        {'source_only_gta2cs': Quote('adaptsegnet', 'paper, source only', note="AdaptSegNet's")},
    ),
}

DATA = {  # of the names in names of configs
    'gta': 'GTA5',
    'synthia': 'SYNTHIA',
    'gta_synthia': 'GTA5 and SYNTHIA',
    'cs': 'Cityscapes',
    'crosscity': 'Cross-City',
    'acdc': 'ACDC',
    'darkzurich': 'Dark Zurich',
    'voc': 'Pascal VOC 2012',
}
