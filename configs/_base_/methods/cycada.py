# CyCADA at full size, stage by stage. A stage says what it changes in the rest of the config;
# 'stage:NAME' stands for the final checkpoint of an earlier one. The settings are those of the
# released code and of the CycleGAN models that its authors used; docs/methods/cycada.md says where
# paper and code differ.
translate_crop = (400, 400)  # the paper's; the README of CycleGAN's GTA models has 360

translate_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(1024, 1024), keep_ratio=True),  # 1024 wide
    dict(type='RandomCrop', crop_size=translate_crop),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
translate_target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 1024), keep_ratio=True),
    dict(type='RandomCrop', crop_size=translate_crop),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
translator = dict(
    type='FrozenTranslator',
    generator=dict(type='ResnetGenerator', blocks=9),
    checkpoint='stage:translate',
    scale=0.8,  # the source is 1280 wide here, and was 1024 wide when the generator was trained
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
    seg=dict(type='SourceSupervision'),
)
adam = dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))
sgd = dict(_delete_=True, type='SGD', lr=1e-5, momentum=0.99, weight_decay=5e-4)

stages = dict(
    source=dict(
        model=dict(type='DomainAdaptor', objectives=dict(align=None), translator=None),
    ),
    translate=dict(
        model=dict(
            _delete_=True,
            type='CycleTranslator',
            generator=dict(type='ResnetGenerator', blocks=9),
            discriminator=dict(type='PatchDiscriminator'),
            gan='lsgan',
            cycle_weight=10.0,
            identity_weight=1.0,  # times cycle_weight; CycleGAN's own default is 0.5
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
        train_dataloader=dict(
            batch_size=1,
            dataset=dict(
                source=dict(pipeline=translate_source_pipeline),
                target=dict(pipeline=translate_target_pipeline),
            ),
        ),
        optim_wrapper=dict(
            _delete_=True,
            constructor='PartwiseOptimWrapperConstructor',
            type='OptimWrapper',
            generators=dict(optimizer=adam),
            discriminators=dict(optimizer=adam),
        ),
        # Ten epochs of GTA's 25k images, and ten more in which the rate falls to zero.
        param_scheduler=[dict(type='LinearDecayLR', constant=10, decay=10, epoch_iters=25000)],
        train_cfg=dict(max_iters=500000),
        auto_scale_lr=dict(base_batch_size=1),
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
    ),
    segment=dict(
        model=dict(type='DomainAdaptor', objectives=dict(align=None)),
        load_from='stage:source',
    ),
    align=dict(
        load_from='stage:segment',
        optim_wrapper=dict(
            segmentor=dict(optimizer=sgd, paramwise_cfg=None),
            discriminators=dict(
                optimizer=dict(type='SGD', lr=1e-5, momentum=0.99, weight_decay=5e-4)
            ),
        ),
        param_scheduler=None,
        train_cfg=dict(max_iters=100000),
        # Ends if the gate stays closed for as long as it takes to see Cityscapes once.
        custom_hooks=[dict(type='ClosedGateHook', patience=2975)],
    ),
)
