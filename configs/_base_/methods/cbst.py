# Class-balanced self-training: a source-only round, then three in which the network of the round before
# goes on, with its surest predictions on the target as labels. The shares are those of the released
# code's command for GTA5: 15 % of each class at first, 5 % more in each round. A config gives
# `rounds.later` the target pipeline that loads the labels.
objectives = dict(seg=dict(type='SourceSupervision'))
rounds = dict(
    number=4,
    later=dict(
        model=dict(objectives=dict(pseudo=dict(type='PseudoSupervision'))),
        load_from='round:before',
    ),
    labels=dict(rule=dict(type='class_balanced', keep=[0.15, 0.20, 0.25])),
)
