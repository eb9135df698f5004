# CyCADA in four stages, for small images on a CPU. A stage says what it changes in the rest of the
# config; 'stage:NAME' stands for the final checkpoint of an earlier one.
generator = dict(type='ResnetGenerator', blocks=3, channels=16, downs=1)
translator = dict(
    type='FrozenTranslator',
    generator=generator,
    checkpoint='stage:translate',
)
objectives = dict(
    align=dict(
        type='FeatureAlignment',
        of='logits',
        discriminator=dict(type='PointwiseDiscriminator', channels=(64, 32), dropout=0.0),
        loss_weight=0.1,
        gate=0.6,
        gate_window=20,
    ),
    seg=dict(type='SourceSupervision'),
)
stages = dict(
    source=dict(
        model=dict(type='DomainAdaptor', objectives=dict(align=None), translator=None),
        optim_wrapper=dict(discriminators=None),
    ),
    translate=dict(
        model=dict(
            _delete_=True,
            type='CycleTranslator',
            generator=generator,
            discriminator=dict(type='PatchDiscriminator', channels=16, layers=2),
            cycle_weight=10.0,
            identity_weight=0.5,
            pool_size=20,
            # Off, as in the paper's model for GTA5; a weight of 1 turns it on.
            semantics=dict(checkpoint='stage:source', target='hard', weight=0.0),
            data_preprocessor=dict(
                type='DomainPreprocessor',
                mean=[127.5, 127.5, 127.5],
                std=[127.5, 127.5, 127.5],
                bgr_to_rgb=True,
                pad_val=0,
                seg_pad_val=255,
            ),
        ),
        optim_wrapper=dict(
            _delete_=True,
            constructor='PartwiseOptimWrapperConstructor',
            type='OptimWrapper',
            generators=dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.5, 0.999))),
            discriminators=dict(optimizer=dict(type='Adam', lr=5e-4, betas=(0.5, 0.999))),
        ),
        train_dataloader=dict(batch_size=2),
        param_scheduler=[dict(type='LinearDecayLR', constant=10, decay=10, epoch_iters=20)],
        train_cfg=dict(max_iters=400),
        auto_scale_lr=dict(base_batch_size=2),
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
    ),
    segment=dict(
        model=dict(type='DomainAdaptor', objectives=dict(align=None)),
        optim_wrapper=dict(discriminators=None),
        load_from='stage:source',
    ),
    align=dict(
        load_from='stage:segment',
        # The rival learns fast, or its gate would not open in so short a time.
        optim_wrapper=dict(
            segmentor=dict(optimizer=dict(lr=3e-4)),
            discriminators=dict(optimizer=dict(lr=1e-3)),
        ),
        train_cfg=dict(max_iters=300),
    ),
)
