"""What becomes here of each field of transformers.TrainingArguments, whether it comes as a flag or with --trainer.

A field is in one of four tables; `tests/test_trainer_fields.py` finds those of a new release that are in none.
"""

from __future__ import annotations

from collections.abc import Mapping

# Field -> the option that says it; its flag is that option's.
OPTIONS: Mapping[str, str] = {
    "output_dir": "output",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "eval_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "num_train_epochs": "epochs",
    "max_steps": "max_steps",
    "learning_rate": "learning_rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warmup",
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "label_smoothing_factor": "label_smoothing",
    "bf16": "precision",
    "fp16": "precision",
    "tf32": "precision",
    "use_cpu": "device",
    "activation_checkpointing": "gradient_checkpointing",
    "gradient_checkpointing": "gradient_checkpointing",
    "torch_compile": "compile",
    "seed": "seed",
    "full_determinism": "full_determinism",
    "train_sampling_strategy": "batching",
    "eval_strategy": "eval_steps",
    "eval_steps": "eval_steps",
    "logging_steps": "logging_steps",
    "metric_for_best_model": "best_metric",
    "report_to": "report_to",
    "resume_from_checkpoint": "resume",
    "push_to_hub": "push_to_hub",
    "hub_model_id": "push_to_hub",
}

# Taken by --trainer FIELD=VALUE, and as a flag of that name; those in `SWITCHES` need no value as a flag.
SWITCHES = frozenset(
    {
        "dataloader_persistent_workers", "dataloader_pin_memory", "ddp_broadcast_buffers",
        "ddp_find_unused_parameters", "ddp_static_graph", "disable_tqdm", "eval_on_start", "log_on_each_node",
        "logging_first_step", "logging_nan_inf_filter", "save_on_each_node", "skip_memory_metrics", "use_liger_kernel",
    }
)  # fmt: skip
PASSED = SWITCHES | {
    "accelerator_config", "activation_checkpointing_kwargs", "adam_beta1", "adam_beta2", "adam_epsilon", "data_seed",
    "dataloader_multiprocessing_context", "dataloader_num_workers", "dataloader_prefetch_factor", "ddp_backend",
    "ddp_bucket_cap_mb", "ddp_timeout", "debug", "eval_delay", "gradient_checkpointing_kwargs",
    "include_num_input_tokens_seen", "liger_kernel_config", "log_level", "log_level_replica", "logging_strategy",
    "lr_scheduler_kwargs", "neftune_noise_alpha", "optim", "optim_args", "optim_target_modules", "run_name",
    "save_total_limit", "torch_compile_backend", "torch_compile_mode", "torch_empty_cache_steps",
}  # fmt: skip

# Field -> what is always done here instead. As a flag it is passed over, and that is said; with --trainer refused.
SETTLED: Mapping[str, str] = {
    "auto_find_batch_size": "a batch that is too large for a GPU is halved, and its gradients accumulated",
    "average_tokens_across_devices": "the loss is divided by the labels of all devices",
    "batch_eval_metrics": "metrics are computed from all rows together",
    "do_eval": "every split is evaluated after training; `nlpkit evaluate` does it alone",
    "do_predict": "use `nlpkit predict`",
    "do_train": "finetune commands always train",
    "enable_jit_checkpoint": "an interrupted run saves a checkpoint",
    "eval_accumulation_steps": "what is kept of the logits leaves the device with each batch",
    "eval_do_concat_batches": "what is kept of the logits is joined in the order of the rows",
    "eval_use_gather_object": "what is kept of the logits is gathered as its task needs it",
    "greater_is_better": "the metric says whether more of it is better",
    "include_for_metrics": "metrics are those of the task",
    "hub_private_repo": "a new repository is private unless --public is given",
    "label_names": "the task knows its labels",
    "length_column_name": "tokens are counted",
    "load_best_model_at_end": "the best model is always the one saved",
    "local_rank": "torchrun and accelerate launch say it in the environment",
    "prediction_loss_only": "metrics are always computed",
    "remove_unused_columns": "a model is given what it takes",
    "restore_callback_states_from_checkpoint": "a resumed run goes on with all of its state",
    "save_steps": "a checkpoint is saved with each evaluation; see --eval-steps, --checkpoint-minutes",
    "save_strategy": "a checkpoint is saved with each evaluation",
    "use_cache": "no model that trains keeps a cache",
}

# Of these the ones that would be another command if they were off, and that command.
NEVER_OFF: Mapping[str, str] = {"do_train": "A model is judged by `nlpkit evaluate MODEL --data DATA`."}

_PRECISION = "an evaluation computes as training does: --precision bf16 or fp16"
_SHARDED = "what divides a model is said by the configuration of `accelerate launch`: recipes/accelerate/fsdp2.yaml"
_TRACKERS = "it is for trackio; --report-to knows tensorboard and wandb"
_UPLOAD = "the finished run is uploaded, once, with the token of `hf auth login` or HF_TOKEN: --push-to-hub"

# Those that come with a value as a flag; the others are switches.
SETTLED_VALUES = frozenset(
    {
        "eval_accumulation_steps", "include_for_metrics", "label_names", "length_column_name", "local_rank",
        "save_steps", "save_strategy",
    }
)  # fmt: skip

# Field -> why it is refused, unless its value is the one beside it, which asks for nothing.
REFUSED: Mapping[str, tuple[str, str]] = {
    "bf16_full_eval": (_PRECISION, "false"),
    "dataloader_drop_last": ("every row is trained on and judged", "false"),
    "dataloader_in_order": ("the order of rows is that of the seed", "true"),
    "deepspeed": (_SHARDED, ""),
    "fp16_full_eval": (_PRECISION, "false"),
    "fsdp": (_SHARDED, ""),
    "fsdp_config": (_SHARDED, ""),
    "hub_always_push": (_UPLOAD, "false"),
    "hub_revision": (_UPLOAD, ""),
    "hub_strategy": (_UPLOAD, "end"),
    "hub_token": (_UPLOAD, ""),
    "ignore_data_skip": ("a resumed run goes on with the rows that it has not seen", "false"),
    "parallelism_config": (_SHARDED, ""),
    "project": (_TRACKERS, "huggingface"),
    "save_only_model": ("--resume needs the whole state; it is deleted when the run is complete", "false"),
    "trackio_bucket_id": (_TRACKERS, ""),
    "trackio_space_id": (_TRACKERS, ""),
    "trackio_static_space_id": (_TRACKERS, ""),
}
