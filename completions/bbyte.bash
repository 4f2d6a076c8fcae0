# Completion of bbyte for bash, generated from the program by: make completions
# Put it into ~/.local/share/bash-completion/completions/ as bbyte

_bbyte() {
    local word words="" here=bbyte
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    [[ $current == "=" ]] && current=""
    [[ $previous == "=" ]] && previous="${COMP_WORDS[COMP_CWORD-2]}"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$here $word" in
            'bbyte quickstart'|'bbyte pack'|'bbyte shard-tinystories'|'bbyte eval-bpb'|'bbyte generate'|'bbyte plan'|'bbyte plan ar'|'bbyte train'|'bbyte train ar'|'bbyte runs'|'bbyte runs list'|'bbyte runs show'|'bbyte runs diff'|'bbyte runs rm'|'bbyte runs report'|'bbyte plot'|'bbyte plot run') here="$here $word" ;;
        esac
    done
    COMPREPLY=()
    case "$here:$previous" in
        'bbyte quickstart:--seconds') return ;;
        'bbyte quickstart:--out') return ;;
        'bbyte quickstart:--config') return ;;
        'bbyte pack:--out-dir') return ;;
        'bbyte pack:--inputs') return ;;
        'bbyte pack:--exts') return ;;
        'bbyte pack:--shard-size-gb') return ;;
        'bbyte pack:--sep-byte') COMPREPLY=($(compgen -W 'none' -- "$current")); return ;;
        'bbyte pack:--val-fraction') return ;;
        'bbyte pack:--config') return ;;
        'bbyte shard-tinystories:--input-dir') return ;;
        'bbyte shard-tinystories:--out-dir') return ;;
        'bbyte shard-tinystories:--shard-size-gb') return ;;
        'bbyte shard-tinystories:--sep-byte') COMPREPLY=($(compgen -W 'none' -- "$current")); return ;;
        'bbyte shard-tinystories:--val-fraction') return ;;
        'bbyte shard-tinystories:--config') return ;;
        'bbyte eval-bpb:--data') return ;;
        'bbyte eval-bpb:--context') return ;;
        'bbyte eval-bpb:--stride') return ;;
        'bbyte eval-bpb:--batch-size') return ;;
        'bbyte eval-bpb:--max-bytes') return ;;
        'bbyte eval-bpb:--device') return ;;
        'bbyte eval-bpb:--precision') return ;;
        'bbyte eval-bpb:--threads') return ;;
        'bbyte eval-bpb:--config') return ;;
        'bbyte generate:--ckpt') return ;;
        'bbyte generate:--prompt') return ;;
        'bbyte generate:--prompt-file') return ;;
        'bbyte generate:--max-new-tokens') return ;;
        'bbyte generate:--device') return ;;
        'bbyte generate:--metrics-json') return ;;
        'bbyte generate:--temperature') return ;;
        'bbyte generate:--top-k') return ;;
        'bbyte generate:--top-p') return ;;
        'bbyte generate:--min-p') return ;;
        'bbyte generate:--repetition-penalty') return ;;
        'bbyte generate:--penalty-window') return ;;
        'bbyte generate:--seed') return ;;
        'bbyte generate:--config') return ;;
        'bbyte plan ar:--data') return ;;
        'bbyte plan ar:--preset') return ;;
        'bbyte plan ar:--memory') return ;;
        'bbyte plan ar:--n-layer') return ;;
        'bbyte plan ar:--d-model') return ;;
        'bbyte plan ar:--n-head') return ;;
        'bbyte plan ar:--n-kv-head') return ;;
        'bbyte plan ar:--d-ff') return ;;
        'bbyte plan ar:--activation') COMPREPLY=($(compgen -W 'swiglu relu2' -- "$current")); return ;;
        'bbyte plan ar:--rope-base') return ;;
        'bbyte plan ar:--z-loss') return ;;
        'bbyte plan ar:--steps') return ;;
        'bbyte plan ar:--epochs') return ;;
        'bbyte plan ar:--batch-size') return ;;
        'bbyte plan ar:--grad-accum') return ;;
        'bbyte plan ar:--micro-batch') COMPREPLY=($(compgen -W 'auto' -- "$current")); return ;;
        'bbyte plan ar:--seq-len') return ;;
        'bbyte plan ar:--seq-len-cap') return ;;
        'bbyte plan ar:--stride') return ;;
        'bbyte plan ar:--optimizer') COMPREPLY=($(compgen -W 'auto adamw adamw8bit muon' -- "$current")); return ;;
        'bbyte plan ar:--lr') return ;;
        'bbyte plan ar:--matrix-lr') return ;;
        'bbyte plan ar:--weight-decay') return ;;
        'bbyte plan ar:--weight-decay-until') return ;;
        'bbyte plan ar:--ema') return ;;
        'bbyte plan ar:--schedule') COMPREPLY=($(compgen -W 'wsd cosine' -- "$current")); return ;;
        'bbyte plan ar:--warmup-steps') return ;;
        'bbyte plan ar:--cooldown') return ;;
        'bbyte plan ar:--clip') return ;;
        'bbyte plan ar:--full-precision-start') return ;;
        'bbyte plan ar:--extended-from') return ;;
        'bbyte plan ar:--seed') return ;;
        'bbyte plan ar:--log-every') return ;;
        'bbyte plan ar:--eval-every') return ;;
        'bbyte plan ar:--val-fraction') return ;;
        'bbyte plan ar:--eval-bytes') return ;;
        'bbyte plan ar:--save-every') return ;;
        'bbyte plan ar:--keep') return ;;
        'bbyte plan ar:--device') return ;;
        'bbyte plan ar:--precision') COMPREPLY=($(compgen -W 'auto fp32 bf16 fp16' -- "$current")); return ;;
        'bbyte plan ar:--threads') return ;;
        'bbyte plan ar:--grad-checkpoint') COMPREPLY=($(compgen -W 'auto none mlp block' -- "$current")); return ;;
        'bbyte plan ar:--config') return ;;
        'bbyte train ar:--data') return ;;
        'bbyte train ar:--preset') return ;;
        'bbyte train ar:--out') return ;;
        'bbyte train ar:--name') return ;;
        'bbyte train ar:--resume') return ;;
        'bbyte train ar:--extend') return ;;
        'bbyte train ar:--track') COMPREPLY=($(compgen -W 'tensorboard wandb trackio' -- "$current")); return ;;
        'bbyte train ar:--sample-bytes') return ;;
        'bbyte train ar:--n-layer') return ;;
        'bbyte train ar:--d-model') return ;;
        'bbyte train ar:--n-head') return ;;
        'bbyte train ar:--n-kv-head') return ;;
        'bbyte train ar:--d-ff') return ;;
        'bbyte train ar:--activation') COMPREPLY=($(compgen -W 'swiglu relu2' -- "$current")); return ;;
        'bbyte train ar:--rope-base') return ;;
        'bbyte train ar:--z-loss') return ;;
        'bbyte train ar:--steps') return ;;
        'bbyte train ar:--epochs') return ;;
        'bbyte train ar:--batch-size') return ;;
        'bbyte train ar:--grad-accum') return ;;
        'bbyte train ar:--micro-batch') COMPREPLY=($(compgen -W 'auto' -- "$current")); return ;;
        'bbyte train ar:--seq-len') return ;;
        'bbyte train ar:--seq-len-cap') return ;;
        'bbyte train ar:--stride') return ;;
        'bbyte train ar:--optimizer') COMPREPLY=($(compgen -W 'auto adamw adamw8bit muon' -- "$current")); return ;;
        'bbyte train ar:--lr') return ;;
        'bbyte train ar:--matrix-lr') return ;;
        'bbyte train ar:--weight-decay') return ;;
        'bbyte train ar:--weight-decay-until') return ;;
        'bbyte train ar:--ema') return ;;
        'bbyte train ar:--schedule') COMPREPLY=($(compgen -W 'wsd cosine' -- "$current")); return ;;
        'bbyte train ar:--warmup-steps') return ;;
        'bbyte train ar:--cooldown') return ;;
        'bbyte train ar:--clip') return ;;
        'bbyte train ar:--full-precision-start') return ;;
        'bbyte train ar:--extended-from') return ;;
        'bbyte train ar:--seed') return ;;
        'bbyte train ar:--log-every') return ;;
        'bbyte train ar:--eval-every') return ;;
        'bbyte train ar:--val-fraction') return ;;
        'bbyte train ar:--eval-bytes') return ;;
        'bbyte train ar:--save-every') return ;;
        'bbyte train ar:--keep') return ;;
        'bbyte train ar:--device') return ;;
        'bbyte train ar:--precision') COMPREPLY=($(compgen -W 'auto fp32 bf16 fp16' -- "$current")); return ;;
        'bbyte train ar:--threads') return ;;
        'bbyte train ar:--grad-checkpoint') COMPREPLY=($(compgen -W 'auto none mlp block' -- "$current")); return ;;
        'bbyte train ar:--config') return ;;
        'bbyte runs list:--root') return ;;
        'bbyte runs list:--config') return ;;
        'bbyte runs show:--root') return ;;
        'bbyte runs show:--config') return ;;
        'bbyte runs diff:--root') return ;;
        'bbyte runs diff:--config') return ;;
        'bbyte runs rm:--root') return ;;
        'bbyte runs rm:--config') return ;;
        'bbyte runs report:--root') return ;;
        'bbyte runs report:--config') return ;;
        'bbyte plot run:--x') COMPREPLY=($(compgen -W 'steps bytes seconds' -- "$current")); return ;;
        'bbyte plot run:--out') return ;;
        'bbyte plot run:--root') return ;;
        'bbyte plot run:--config') return ;;
    esac
    case "$here:$current" in
        'bbyte:'-*) words="--version --help" ;;
        'bbyte:'*) words="quickstart pack shard-tinystories eval-bpb generate plan train runs plot" ;;
        'bbyte quickstart:'-*) words="--seconds --out --quiet --json --config --help" ;;
        'bbyte pack:'-*) words="--out-dir --inputs --exts --shard-size-gb --sep-byte --val-fraction --force --quiet --json --config --help" ;;
        'bbyte shard-tinystories:'-*) words="--input-dir --out-dir --shard-size-gb --sep-byte --val-fraction --force --quiet --json --config --help" ;;
        'bbyte eval-bpb:'-*) words="--data --context --stride --batch-size --max-bytes --all-steps --anchors --device --precision --threads --quiet --json --config --help" ;;
        'bbyte generate:'-*) words="--ckpt --prompt --prompt-file --max-new-tokens --echo --no-echo --device --metrics --metrics-json --temperature --top-k --top-p --min-p --repetition-penalty --penalty-window --seed --quiet --json --config --help" ;;
        'bbyte plan:'-*) words="--help" ;;
        'bbyte plan:'*) words="ar" ;;
        'bbyte plan ar:'-*) words="--data --preset --memory --probe --no-probe --n-layer --d-model --n-head --n-kv-head --d-ff --ternary --no-ternary --act-quant --no-act-quant --activation --sub-norm --no-sub-norm --qk-norm --no-qk-norm --tied --no-tied --rope-base --z-loss --steps --epochs --batch-size --grad-accum --micro-batch --seq-len --seq-len-cap --stride --optimizer --lr --matrix-lr --weight-decay --weight-decay-until --ema --schedule --warmup-steps --cooldown --clip --full-precision-start --extended-from --seed --log-every --eval-every --val-fraction --eval-bytes --save-every --keep --keep-best --no-keep-best --device --precision --threads --compile --no-compile --grad-checkpoint --quiet --json --config --help" ;;
        'bbyte train:'-*) words="--help" ;;
        'bbyte train:'*) words="ar" ;;
        'bbyte train ar:'-*) words="--data --preset --out --name --allow-overwrite --resume --extend --optimizer-state --no-optimizer-state --track --sample-bytes --smoke-test --n-layer --d-model --n-head --n-kv-head --d-ff --ternary --no-ternary --act-quant --no-act-quant --activation --sub-norm --no-sub-norm --qk-norm --no-qk-norm --tied --no-tied --rope-base --z-loss --steps --epochs --batch-size --grad-accum --micro-batch --seq-len --seq-len-cap --stride --optimizer --lr --matrix-lr --weight-decay --weight-decay-until --ema --schedule --warmup-steps --cooldown --clip --full-precision-start --extended-from --seed --log-every --eval-every --val-fraction --eval-bytes --save-every --keep --keep-best --no-keep-best --device --precision --threads --compile --no-compile --grad-checkpoint --quiet --json --config --help" ;;
        'bbyte runs:'-*) words="--help" ;;
        'bbyte runs:'*) words="list show diff rm report" ;;
        'bbyte runs list:'-*) words="--root --quiet --json --config --help" ;;
        'bbyte runs show:'-*) words="--root --quiet --json --config --help" ;;
        'bbyte runs diff:'-*) words="--root --quiet --json --config --help" ;;
        'bbyte runs rm:'-*) words="--yes --root --quiet --json --config --help" ;;
        'bbyte runs report:'-*) words="--root --quiet --json --config --help" ;;
        'bbyte plot:'-*) words="--help" ;;
        'bbyte plot:'*) words="run" ;;
        'bbyte plot run:'-*) words="--x --out --terminal --root --quiet --json --config --help" ;;
    esac
    [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o bashdefault -o default -F _bbyte bbyte
