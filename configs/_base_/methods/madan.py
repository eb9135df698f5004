# MADAN's way with two sources: a CycleGAN for each, a segmentor that learns from all translated images,
# adversarial alignment with the target. 'stage:NAME' stands for the final checkpoint of an earlier stage.
# docs/methods/multi_source.md says what of the paper is here, what is elsewhere, and what is left out.
translate_crop = (400, 400)
frozen = dict(type='FrozenTranslator', generator=dict(type='ResnetGenerator', blocks=9))
translator = dict(
    type='PerSourceTranslator',
    translators=[
        dict(frozen, checkpoint='stage:translate_gta'),
        dict(frozen, checkpoint='stage:translate_synthia'),
    ],
)
objectives = dict(
    align=dict(
        type='FeatureAlignment',
        of='logits',
        discriminator=dict(type='PointwiseDiscriminator', channels=(512, 256)),
        loss_weight=0.1,
        gate=0.6,
        gate_window=100,
    ),
    aggregate=dict(
        type='SourceConfusion',
        of='logits',
        discriminator=dict(type='PointwiseDiscriminator', channels=(512, 256), outputs=2),
        loss_weight=0.1,
    ),
    seg=dict(type='SourceSupervision'),
)
adam = dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))
sgd = dict(type='SGD', lr=2e-5, momentum=0.9, weight_decay=5e-4)

# One source at a time. The weights are those of the released code: no identity term, the cycle term
# counts as much as one adversarial term, and that of source images twice.
translation = dict(
    model=dict(
        _delete_=True,
        type='CycleTranslator',
        generator=dict(type='ResnetGenerator', blocks=9),
        discriminator=dict(type='PatchDiscriminator'),
        gan='lsgan',
        gan_weight=dict(source=2.0, target=1.0),
        cycle_weight=1.0,
        identity_weight=0.0,
        pool_size=50,
        data_preprocessor=dict(
            type='DomainPreprocessor',
            mean=[127.5, 127.5, 127.5],
            std=[127.5, 127.5, 127.5],
            bgr_to_rgb=True,
            pad_val=0,
            seg_pad_val=255,
            size=translate_crop,
        ),
    ),
    optim_wrapper=dict(
        _delete_=True,
        constructor='PartwiseOptimWrapperConstructor',
        type='OptimWrapper',
        generators=dict(optimizer=adam),
        discriminators=dict(optimizer=adam),
    ),
    auto_scale_lr=dict(base_batch_size=4),
    val_cfg=None,
    val_dataloader=None,
    val_evaluator=None,
)
# Ten epochs and ten more in which the rate falls to zero: 25,000 images of GTA, 9,400 of SYNTHIA.
stages = dict(
    source=dict(
        model=dict(
            type='DomainAdaptor', objectives=dict(align=None, aggregate=None), translator=None
        ),
    ),
    translate_gta=dict(
        translation,
        param_scheduler=[dict(type='LinearDecayLR', constant=10, decay=10, epoch_iters=6250)],
        train_cfg=dict(max_iters=125000),
    ),
    translate_synthia=dict(
        translation,
        param_scheduler=[dict(type='LinearDecayLR', constant=10, decay=10, epoch_iters=2350)],
        train_cfg=dict(max_iters=47000),
    ),
    segment=dict(
        model=dict(type='DomainAdaptor', objectives=dict(align=None)),
        optim_wrapper=dict(discriminators=dict(optimizer=dict(type='Adam', lr=1e-4))),
    ),
    align=dict(
        model=dict(objectives=dict(aggregate=None)),
        load_from='stage:segment',
        optim_wrapper=dict(
            segmentor=dict(optimizer=dict(_delete_=True, **sgd)),
            discriminators=dict(optimizer=sgd),
        ),
        train_cfg=dict(max_iters=25000),
    ),
)
