# Completion of bbyte for PowerShell, generated from the program by: make completions
# Load it from your $PROFILE with: . path/to/bbyte.ps1

$bbytePlaces = @{
    'bbyte' = @(
        @('quickstart', 'Show bbyte in two minutes'),
        @('doctor', 'Say what this machine can do'),
        @('pack', 'Pack any files into a corpus to train on'),
        @('shard-tinystories', 'Make a corpus of TinyStories'),
        @('tag-ckpt', 'Say what checkpoints are, and convert legacy .pt files'),
        @('verify', 'Check what was written against its digests'),
        @('import', 'Make a checkpoint of a byte model that transformers loads'),
        @('eval-bpb', 'Score data in bits per byte'),
        @('lm-eval', 'Run tasks of lm-evaluation-harness on a checkpoint'),
        @('generate', 'Write on from a prompt, byte by byte'),
        @('play', 'Write a text in turns with a model'),
        @('serve', 'Answer requests on this machine'),
        @('infill', 'Fill the holes of a text from both sides'),
        @('compress', 'Compress files'),
        @('decompress', 'Decompress archives'),
        @('corpus', 'Look at corpora, and merge slices of one'),
        @('plan', 'Plan a run'),
        @('train', 'Train a model'),
        @('runs', 'Look at the runs there are, compare and remove them'),
        @('ckpt', 'Look at checkpoints'),
        @('export', 'Export checkpoints'),
        @('plot', 'Draw pictures of runs, texts and models'),
        @('--version', 'Show the versions of bbyte and Python.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte quickstart' = @(
        @('--seconds', 'How long to train, in seconds, about (default: 105).'),
        @('--out', 'Folder of the run (default: a new one).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte doctor' = @(
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte pack' = @(
        @('--out-dir', 'Folder of the new corpus.'),
        @('--inputs', 'The same: --inputs a b c, or --inputs a --inputs b. .gz .bz2 .xz .zst .zip .tar are unpacked.'),
        @('--exts', 'Take only these from folders and archives: .txt,.md (looking through .gz).'),
        @('--field', 'Read .json and .jsonl as records: the text of each is under this key.'),
        @('--column', 'Column of .parquet, .arrow and .feather files (default: text, or the only one).'),
        @('--dedup', 'Leave out documents that equal an earlier one.'),
        @('--shuffle-documents', 'Put the documents in an order that SEED decides.'),
        @('--max-bytes', 'Stop when the corpus has this many bytes.'),
        @('--shard-size-gb', 'Size of a shard, 1 GB = 1024³ bytes.'),
        @('--sep-byte', 'The byte after each document, or none.'),
        @('--val-fraction', 'Share of the bytes to hold out for validation, chosen by content.'),
        @('--index', 'Note where each document ends; documents are then held out whole or not at all.'),
        @('--skip-bad', 'Leave out damaged files, list them, and exit with 1.'),
        @('--workers', 'Processes that unpack and parse.'),
        @('--num-slices', 'Pack only one of so many parts; bbyte corpus merge joins them.'),
        @('--slice', 'Which part, from 0 on.'),
        @('--force', 'Replace the corpus that is in the folder.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte shard-tinystories' = @(
        @('--input-dir', 'Folder with .json, .jsonl or .txt files.'),
        @('--out-dir', 'Folder of the new corpus.'),
        @('--shard-size-gb', 'Size of a shard, 1 GB = 1024³ bytes.'),
        @('--sep-byte', 'The byte after each story, or none.'),
        @('--val-fraction', 'Share of the stories to hold out for validation, chosen by content.'),
        @('--force', 'Replace the corpus that is in the folder.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte tag-ckpt' = @(
        @('--all', 'Take all there are under --root.'),
        @('--root', 'Folder that --all looks through (default: artifacts/checkpoints).'),
        @('--apply', 'Write the new checkpoints; without it nothing is written.'),
        @('--family', 'What the family is: ar, mamba, diffusion, or bitbyte, which is ar.'),
        @('--model-family', 'The same, in the old scripts'' word.'),
        @('--variant', 'What the variant is: ar or diffusion; of new ones ternary or full.'),
        @('--force', 'Where words contradict: what is asked for, else what is inferred.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte verify' = @(
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte import' = @(
        @('--out', 'New folder of a run (default: artifacts/checkpoints/DIR).'),
        @('--context', 'Longest window trained on, in bytes (default: as config.json says).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte eval-bpb' = @(
        @('--data', 'File or corpus to score; of a corpus the held-out part, if it has one.'),
        @('--context', 'Bytes a window holds (default: as many as were trained on); full: all before each byte.'),
        @('--stride', 'Bytes from window to window (default: half the context).'),
        @('--batch-size', 'Windows computed at once.'),
        @('--max-bytes', 'Score only the first so many bytes.'),
        @('--all-steps', 'Score every checkpoint of a run, not only its newest.'),
        @('--anchors', 'Also show order-0, gzip, xz and PPMd on the same bytes.'),
        @('--draws', 'Random masks of each window, where a figure is estimated from them.'),
        @('--seed', 'Decides these masks.'),
        @('--rates', 'Instead: the cost of a hidden byte by how much is hidden (diffusion).'),
        @('--exact', 'Compute by the engine: the same figure everywhere (ternary models: packed).'),
        @('--markdown', 'Give the table as Markdown, for a README or a page.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--precision', 'auto, fp32, bf16 or fp16.'),
        @('--threads', 'CPU threads; 0 takes all cores.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte lm-eval' = @(
        @('--tasks', 'Names of tasks or groups, or patterns: blimp_*.'),
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--include-path', 'Folder of your own task files (YAML).'),
        @('--limit', 'Only the first so many documents of each task, for a try.'),
        @('--num-fewshot', 'Examples before each question (default: as the task says).'),
        @('--batch-size', 'Windows computed at once.'),
        @('--seed', 'Decides what is drawn in writing.'),
        @('--output', 'Write the figures to a JSON file.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--precision', 'auto, fp32, bf16 or fp16.'),
        @('--threads', 'CPU threads; 0 takes all cores.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte generate' = @(
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--prompt', 'Text to go on from; - reads it from stdin.'),
        @('--prompt-file', 'File with the bytes to go on from.'),
        @('--max-new-tokens', 'How many bytes to write.'),
        @('--stop', 'End the text before this one, where it comes; may be repeated.'),
        @('--num-samples', 'Write so many texts at once, each with random bits of its own.'),
        @('--echo', 'Show the prompt before its continuation.'),
        @('--no-echo', 'Show the prompt before its continuation.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--engine', 'What computes: auto takes native for packed checkpoints on a CPU.'),
        @('--threads', 'CPU threads; 0 takes what pays.'),
        @('--metrics', 'Say at the end how fast and how surprising the text was.'),
        @('--metrics-json', 'Write these figures to a JSON file.'),
        @('--block-bytes', 'Write so many bytes together, the surest first (diffusion; default: 1).'),
        @('--block-steps', 'Steps a block takes (default: one a byte); fewer are faster.'),
        @('--temperature', 'Below 1 sharpens the distribution, above 1 flattens it; 0 takes the likeliest byte'),
        @('--top-k', 'Keep only the k likeliest bytes; 0 keeps all'),
        @('--top-p', 'Keep the likeliest bytes that together have this probability; 1 keeps all'),
        @('--min-p', 'Keep bytes at least this fraction as likely as the likeliest; 0 keeps all'),
        @('--repetition-penalty', 'Above 1 makes bytes of the last --penalty-window less likely'),
        @('--penalty-window', 'How many bytes back the repetition penalty looks'),
        @('--utf8', 'valid: only bytes that can go on a text in UTF-8'),
        @('--seed', 'The same seed gives the same bytes'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte play' = @(
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--engine', 'What computes: auto takes native for packed checkpoints on a CPU.'),
        @('--threads', 'CPU threads; 0 takes what pays.'),
        @('--temperature', 'Below 1 sharpens the distribution, above 1 flattens it; 0 takes the likeliest byte'),
        @('--top-k', 'Keep only the k likeliest bytes; 0 keeps all'),
        @('--top-p', 'Keep the likeliest bytes that together have this probability; 1 keeps all'),
        @('--min-p', 'Keep bytes at least this fraction as likely as the likeliest; 0 keeps all'),
        @('--repetition-penalty', 'Above 1 makes bytes of the last --penalty-window less likely'),
        @('--penalty-window', 'How many bytes back the repetition penalty looks'),
        @('--utf8', 'valid: only bytes that can go on a text in UTF-8'),
        @('--seed', 'The same seed gives the same bytes'),
        @('--length', 'How many bytes are written before you are asked again'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte serve' = @(
        @('--ui', 'Have a page as well, at the server''s address.'),
        @('--host', 'Address to be reached at; any but this machine''s own needs --api-key.'),
        @('--port', 'Port; 0 takes any that is free.'),
        @('--api-key', 'What requests must show as Authorization: Bearer KEY.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--engine', 'What computes: auto takes native for packed checkpoints on a CPU.'),
        @('--threads', 'CPU threads; 0 takes what pays.'),
        @('--max-requests', 'Requests computed or waiting at a time; more are told to come again'),
        @('--max-body-bytes', 'Bytes of a request''s body at most'),
        @('--max-prompt-bytes', 'Bytes of all prompts of a request at most'),
        @('--max-new-tokens', 'Bytes a request may have written in each text at most'),
        @('--max-texts', 'Texts in one answer at most: prompts times n'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte infill' = @(
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest).'),
        @('--prompt', 'Text; [MASK] hides a byte, [MASK*12] twelve, \[MASK] is text; - reads stdin.'),
        @('--file', 'File to fill holes in, instead of a prompt.'),
        @('--mask-range', 'Hide bytes A up to B, as Python counts; may be repeated.'),
        @('--random-rate', 'Hide this part of the bytes (default: 0.15 where no hole is given).'),
        @('--max-length', 'Refuse a text of more bytes than this, holes included.'),
        @('--keep-length', 'Fill a hole with as many bytes as it hides; always so.'),
        @('--num-samples', 'Fill the text in so many ways.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--show', 'Watch the holes being filled, in a terminal.'),
        @('--metrics', 'Say at the end how fast and how surprising the filling was.'),
        @('--metrics-json', 'Write these figures to a JSON file.'),
        @('--steps', 'Steps to fill a window in (default: one a hidden byte, at most 256); fewer are faster'),
        @('--order', 'Which byte comes next: the surest, any one, or the leftmost'),
        @('--temperature', 'Below 1 sharpens the distribution, above 1 flattens it; 0 takes the likeliest'),
        @('--top-k', 'Keep only the k likeliest bytes; 0 keeps all'),
        @('--top-p', 'Keep the likeliest bytes that together have this probability; 1 keeps all'),
        @('--remask', 'Hide the least sure of the new bytes again at each step, to mend them'),
        @('--no-remask', 'Hide the least sure of the new bytes again at each step, to mend them'),
        @('--utf8', 'valid: the filled text is valid UTF-8'),
        @('--seed', 'The same seed gives the same bytes'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte compress' = @(
        @('--out', 'File to write (default: FILE.bbz).'),
        @('--stdout', 'Write to standard output; so it is for -.'),
        @('--keep', 'Keep FILE, which is done anyway.'),
        @('--force', 'Replace what is there.'),
        @('--level', '0: zstd, no model; 1: the model; 2: also what the file teaches it.'),
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest that can compress).'),
        @('--hybrid', 'Mix the model with what learns from the file (default: auto, at level 2).'),
        @('--adapt', 'Let the biases of the model adapt to the file.'),
        @('--engine', 'What computes the model: auto takes native, or where it is missing numpy, slowly.'),
        @('--threads', 'CPU threads; 0 takes all cores.'),
        @('--chunk-bytes', 'Bytes coded together; the chunks go to the threads.'),
        @('--verify', 'Decode what was written in a fresh process, and keep it only if right.'),
        @('--no-verify', 'Decode what was written in a fresh process, and keep it only if right.'),
        @('--ratio-only', 'Only say how small it becomes; write nothing.'),
        @('--test', 'Instead: decode archives and write nothing.'),
        @('--list', 'Instead: say what archives hold; decodes nothing.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte decompress' = @(
        @('--out', 'File to write (default: FILE without .bbz).'),
        @('--stdout', 'Write to standard output; so it is for -.'),
        @('--keep', 'Keep the archive, which is done anyway.'),
        @('--force', 'Replace what is there.'),
        @('--test', 'Decode all, and write nothing.'),
        @('--salvage', 'Write what is good of a damaged archive, without gaps.'),
        @('--ckpt', 'Checkpoint it was compressed with (default: it is looked for under artifacts/).'),
        @('--engine', 'What computes the model: auto takes native, or where it is missing numpy, slowly.'),
        @('--threads', 'CPU threads; 0 takes all cores.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte corpus' = @(
        @('show', 'Show what a corpus is like'),
        @('merge', 'Make one corpus of the slices that pack --num-slices made'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte corpus show' = @(
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte corpus merge' = @(
        @('--force', 'Replace the corpus that is in the folder.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plan' = @(
        @('ar', 'Autoregressive transformer (BitByteLM), ternary by default'),
        @('diffusion', 'Masked diffusion'),
        @('mamba', 'State-space model (Mamba-2 or Mamba-1), constant memory and time a byte'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plan ar' = @(
        @('--data', 'Corpus, shards, folder or file (default: the newest corpus, if any).'),
        @('--preset', 'Named architecture; single settings change it.'),
        @('--memory', 'Would it fit in so much? 12GB, 24GiB (default: what is free here).'),
        @('--processes', 'Would train together, each on a GPU or machine of its own.'),
        @('--probe', 'Time a few steps, about two seconds.'),
        @('--no-probe', 'Time a few steps, about two seconds.'),
        @('--n-layer', 'Transformer blocks'),
        @('--d-model', 'Width of the residual stream'),
        @('--n-head', 'Attention heads'),
        @('--n-kv-head', 'Key/value heads, shared by groups of attention heads (default: n_head)'),
        @('--d-ff', 'Width inside the feed-forward'),
        @('--ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--no-ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--act-quant', '8-bit activations before each ternary matrix'),
        @('--no-act-quant', '8-bit activations before each ternary matrix'),
        @('--activation', 'Gate of the feed-forward'),
        @('--sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--no-sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--qk-norm', 'Normalise queries and keys per head'),
        @('--no-qk-norm', 'Normalise queries and keys per head'),
        @('--tied', 'Output head shares the embedding''s weights'),
        @('--no-tied', 'Output head shares the embedding''s weights'),
        @('--rope-base', 'Base of the rotary frequencies'),
        @('--z-loss', 'Weight of the z-loss, which keeps logits small'),
        @('--steps', 'Optimizer steps (default: what takes about ten minutes here)'),
        @('--epochs', 'Passes over the corpus, instead of steps'),
        @('--batch-size', 'Windows of a batch (default: by device and window)'),
        @('--grad-accum', 'Batches added up for one optimizer step'),
        @('--micro-batch', 'Windows computed at once: a batch or less, halved where memory runs out'),
        @('--seq-len', 'Fixed window in bytes (default: on a GPU the curriculum)'),
        @('--seq-len-cap', 'Longest window of the curriculum 2048, 4096, 8192'),
        @('--stride', 'Bytes from one window to the next (default: the longest window)'),
        @('--optimizer', 'auto takes muon'),
        @('--lr', 'Learning rate of AdamW (default: 3e-3 beside Muon, else by size)'),
        @('--matrix-lr', 'Learning rate of Muon, which updates the matrices of the blocks'),
        @('--weight-decay', 'Weight decay of AdamW''s matrices; Muon''s own is 0'),
        @('--weight-decay-until', 'Part of the steps with weight decay (default: 0.5 where ternary, else 1)'),
        @('--ema', 'Decay of a moving average of the weights, which is then the model; 0: none'),
        @('--schedule', 'Warm-up, constant, linear cool-down; or cosine to 10 %'),
        @('--warmup-steps', 'Steps of the linear warm-up (default: 2 % of all, at most 500)'),
        @('--cooldown', 'Part of the steps in the cool-down of wsd'),
        @('--clip', 'Largest norm of the gradient'),
        @('--full-precision-start', 'Part of the steps before ternary weights set in'),
        @('--extended-from', 'Steps of the run that this one extends: its start and window stages stay as they were'),
        @('--seed', 'Decides initial weights and the order of the data'),
        @('--log-every', 'Steps between lines of the log'),
        @('--eval-every', 'Steps between validations (default: a tenth of all; 0: at the end)'),
        @('--val-fraction', 'Part held out by the documents'' digests, where pack held nothing out'),
        @('--eval-bytes', 'Validation bytes scored each time'),
        @('--save-every', 'Steps between checkpoints (default: a tenth of all; 0: at the end)'),
        @('--keep', 'Newest checkpoints kept; 0 keeps all'),
        @('--keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--no-keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps'),
        @('--precision', 'Number type of both passes'),
        @('--threads', 'CPU threads; 0 takes all cores'),
        @('--compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--no-compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--grad-checkpoint', 'Activations computed again in the backward pass, to save memory; auto: block on a GPU'),
        @('--shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--no-shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plan diffusion' = @(
        @('--data', 'Corpus, shards, folder or file (default: the newest corpus, if any).'),
        @('--preset', 'Named architecture; single settings change it.'),
        @('--memory', 'Would it fit in so much? 12GB, 24GiB (default: what is free here).'),
        @('--processes', 'Would train together, each on a GPU or machine of its own.'),
        @('--probe', 'Time a few steps, about two seconds.'),
        @('--no-probe', 'Time a few steps, about two seconds.'),
        @('--n-layer', 'Transformer blocks'),
        @('--d-model', 'Width of the residual stream'),
        @('--n-head', 'Attention heads'),
        @('--n-kv-head', 'Key/value heads, shared by groups of attention heads (default: n_head)'),
        @('--d-ff', 'Width inside the feed-forward'),
        @('--ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--no-ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--act-quant', '8-bit activations before each ternary matrix'),
        @('--no-act-quant', '8-bit activations before each ternary matrix'),
        @('--activation', 'Gate of the feed-forward'),
        @('--sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--no-sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--qk-norm', 'Normalise queries and keys per head'),
        @('--no-qk-norm', 'Normalise queries and keys per head'),
        @('--tied', 'Output head shares the embedding''s weights'),
        @('--no-tied', 'Output head shares the embedding''s weights'),
        @('--rope-base', 'Base of the rotary frequencies'),
        @('--mask-mode', 'Hide single bytes, or spans of them'),
        @('--span-len', 'Bytes of a hidden span'),
        @('--diffusion-steps', 'Rates to hide at, evenly spaced (default: every number of bytes)'),
        @('--min-mask-prob', 'Smallest part of a window that is hidden; at least one byte is'),
        @('--max-mask-prob', 'Largest part of a window that is hidden'),
        @('--short-windows', 'Part of the windows that are cut to a random length'),
        @('--steps', 'Optimizer steps (default: what takes about ten minutes here)'),
        @('--epochs', 'Passes over the corpus, instead of steps'),
        @('--batch-size', 'Windows of a batch (default: by device and window)'),
        @('--grad-accum', 'Batches added up for one optimizer step'),
        @('--micro-batch', 'Windows computed at once: a batch or less, halved where memory runs out'),
        @('--seq-len', 'Fixed window in bytes (default: on a GPU the curriculum)'),
        @('--seq-len-cap', 'Longest window of the curriculum 2048, 4096, 8192'),
        @('--stride', 'Bytes from one window to the next (default: the longest window)'),
        @('--optimizer', 'auto takes muon'),
        @('--lr', 'Learning rate of AdamW (default: 3e-3 beside Muon, else by size)'),
        @('--matrix-lr', 'Learning rate of Muon, which updates the matrices of the blocks'),
        @('--weight-decay', 'Weight decay of AdamW''s matrices; Muon''s own is 0'),
        @('--weight-decay-until', 'Part of the steps with weight decay (default: 0.5 where ternary, else 1)'),
        @('--ema', 'Decay of a moving average of the weights, which is then the model; 0: none'),
        @('--schedule', 'Warm-up, constant, linear cool-down; or cosine to 10 %'),
        @('--warmup-steps', 'Steps of the linear warm-up (default: 2 % of all, at most 500)'),
        @('--cooldown', 'Part of the steps in the cool-down of wsd'),
        @('--clip', 'Largest norm of the gradient'),
        @('--full-precision-start', 'Part of the steps before ternary weights set in'),
        @('--extended-from', 'Steps of the run that this one extends: its start and window stages stay as they were'),
        @('--seed', 'Decides initial weights and the order of the data'),
        @('--log-every', 'Steps between lines of the log'),
        @('--eval-every', 'Steps between validations (default: a tenth of all; 0: at the end)'),
        @('--val-fraction', 'Part held out by the documents'' digests, where pack held nothing out'),
        @('--eval-bytes', 'Validation bytes scored each time'),
        @('--save-every', 'Steps between checkpoints (default: a tenth of all; 0: at the end)'),
        @('--keep', 'Newest checkpoints kept; 0 keeps all'),
        @('--keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--no-keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps'),
        @('--precision', 'Number type of both passes'),
        @('--threads', 'CPU threads; 0 takes all cores'),
        @('--compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--no-compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--grad-checkpoint', 'Activations computed again in the backward pass, to save memory; auto: block on a GPU'),
        @('--shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--no-shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plan mamba' = @(
        @('--data', 'Corpus, shards, folder or file (default: the newest corpus, if any).'),
        @('--preset', 'Named architecture; single settings change it.'),
        @('--memory', 'Would it fit in so much? 12GB, 24GiB (default: what is free here).'),
        @('--processes', 'Would train together, each on a GPU or machine of its own.'),
        @('--probe', 'Time a few steps, about two seconds.'),
        @('--no-probe', 'Time a few steps, about two seconds.'),
        @('--ssm', 'Kind of state space'),
        @('--n-layer', 'Blocks'),
        @('--d-model', 'Width of the residual stream'),
        @('--d-state', 'Numbers kept a channel (default: 64, from d_model 512 on 128, Mamba-1: 16)'),
        @('--d-conv', 'Taps of the short convolution'),
        @('--expand', 'Width inside a block, as a multiple of d_model'),
        @('--headdim', 'Width of a head; of Mamba-2 alone'),
        @('--n-groups', 'Groups of heads that read and write alike; of Mamba-2 alone'),
        @('--dt-rank', 'Rank of the step sizes; of Mamba-1 alone (default: d_model / 16)'),
        @('--ternary', 'Ternary weights in the projections (BitNet b1.58)'),
        @('--no-ternary', 'Ternary weights in the projections (BitNet b1.58)'),
        @('--act-quant', '8-bit activations before each ternary matrix'),
        @('--no-act-quant', '8-bit activations before each ternary matrix'),
        @('--tied', 'Output head shares the embedding''s weights'),
        @('--no-tied', 'Output head shares the embedding''s weights'),
        @('--z-loss', 'Weight of the z-loss, which keeps logits small'),
        @('--steps', 'Optimizer steps (default: what takes about ten minutes here)'),
        @('--epochs', 'Passes over the corpus, instead of steps'),
        @('--batch-size', 'Windows of a batch (default: by device and window)'),
        @('--grad-accum', 'Batches added up for one optimizer step'),
        @('--micro-batch', 'Windows computed at once: a batch or less, halved where memory runs out'),
        @('--seq-len', 'Fixed window in bytes (default: on a GPU the curriculum)'),
        @('--seq-len-cap', 'Longest window of the curriculum 2048, 4096, 8192'),
        @('--stride', 'Bytes from one window to the next (default: the longest window)'),
        @('--optimizer', 'auto takes muon'),
        @('--lr', 'Learning rate of AdamW (default: 3e-3 beside Muon, else by size)'),
        @('--matrix-lr', 'Learning rate of Muon, which updates the matrices of the blocks'),
        @('--weight-decay', 'Weight decay of AdamW''s matrices; Muon''s own is 0'),
        @('--weight-decay-until', 'Part of the steps with weight decay (default: 0.5 where ternary, else 1)'),
        @('--ema', 'Decay of a moving average of the weights, which is then the model; 0: none'),
        @('--schedule', 'Warm-up, constant, linear cool-down; or cosine to 10 %'),
        @('--warmup-steps', 'Steps of the linear warm-up (default: 2 % of all, at most 500)'),
        @('--cooldown', 'Part of the steps in the cool-down of wsd'),
        @('--clip', 'Largest norm of the gradient'),
        @('--full-precision-start', 'Part of the steps before ternary weights set in'),
        @('--extended-from', 'Steps of the run that this one extends: its start and window stages stay as they were'),
        @('--seed', 'Decides initial weights and the order of the data'),
        @('--log-every', 'Steps between lines of the log'),
        @('--eval-every', 'Steps between validations (default: a tenth of all; 0: at the end)'),
        @('--val-fraction', 'Part held out by the documents'' digests, where pack held nothing out'),
        @('--eval-bytes', 'Validation bytes scored each time'),
        @('--save-every', 'Steps between checkpoints (default: a tenth of all; 0: at the end)'),
        @('--keep', 'Newest checkpoints kept; 0 keeps all'),
        @('--keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--no-keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps'),
        @('--precision', 'Number type of both passes'),
        @('--threads', 'CPU threads; 0 takes all cores'),
        @('--compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--no-compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--grad-checkpoint', 'Activations computed again in the backward pass, to save memory; auto: block on a GPU'),
        @('--shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--no-shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte train' = @(
        @('ar', 'Autoregressive transformer (BitByteLM), ternary by default'),
        @('diffusion', 'Masked diffusion'),
        @('mamba', 'State-space model (Mamba-2 or Mamba-1), constant memory and time a byte'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte train ar' = @(
        @('--data', 'Corpus, shards, folder or file (default: the newest corpus).'),
        @('--preset', 'Named architecture; single settings change it.'),
        @('--out', 'Folder of the run (default: artifacts/checkpoints/<date>-<name>).'),
        @('--name', 'Name in the run''s folder.'),
        @('--allow-overwrite', 'Start anew in a folder that exists.'),
        @('--resume', 'Go on with a run: its folder, or auto for --out or the newest run.'),
        @('--extend', 'A finished run to train longer, from where its rate was constant.'),
        @('--optimizer-state', 'Resume with the optimizer''s state.'),
        @('--no-optimizer-state', 'Resume with the optimizer''s state.'),
        @('--track', 'Send the figures to a tracker too, by its own library.'),
        @('--sample-bytes', 'Bytes written at a checkpoint, for report.html (default: by size).'),
        @('--smoke-test', 'Ten steps on made-up bytes: does training work here?'),
        @('--n-layer', 'Transformer blocks'),
        @('--d-model', 'Width of the residual stream'),
        @('--n-head', 'Attention heads'),
        @('--n-kv-head', 'Key/value heads, shared by groups of attention heads (default: n_head)'),
        @('--d-ff', 'Width inside the feed-forward'),
        @('--ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--no-ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--act-quant', '8-bit activations before each ternary matrix'),
        @('--no-act-quant', '8-bit activations before each ternary matrix'),
        @('--activation', 'Gate of the feed-forward'),
        @('--sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--no-sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--qk-norm', 'Normalise queries and keys per head'),
        @('--no-qk-norm', 'Normalise queries and keys per head'),
        @('--tied', 'Output head shares the embedding''s weights'),
        @('--no-tied', 'Output head shares the embedding''s weights'),
        @('--rope-base', 'Base of the rotary frequencies'),
        @('--z-loss', 'Weight of the z-loss, which keeps logits small'),
        @('--steps', 'Optimizer steps (default: what takes about ten minutes here)'),
        @('--epochs', 'Passes over the corpus, instead of steps'),
        @('--batch-size', 'Windows of a batch (default: by device and window)'),
        @('--grad-accum', 'Batches added up for one optimizer step'),
        @('--micro-batch', 'Windows computed at once: a batch or less, halved where memory runs out'),
        @('--seq-len', 'Fixed window in bytes (default: on a GPU the curriculum)'),
        @('--seq-len-cap', 'Longest window of the curriculum 2048, 4096, 8192'),
        @('--stride', 'Bytes from one window to the next (default: the longest window)'),
        @('--optimizer', 'auto takes muon'),
        @('--lr', 'Learning rate of AdamW (default: 3e-3 beside Muon, else by size)'),
        @('--matrix-lr', 'Learning rate of Muon, which updates the matrices of the blocks'),
        @('--weight-decay', 'Weight decay of AdamW''s matrices; Muon''s own is 0'),
        @('--weight-decay-until', 'Part of the steps with weight decay (default: 0.5 where ternary, else 1)'),
        @('--ema', 'Decay of a moving average of the weights, which is then the model; 0: none'),
        @('--schedule', 'Warm-up, constant, linear cool-down; or cosine to 10 %'),
        @('--warmup-steps', 'Steps of the linear warm-up (default: 2 % of all, at most 500)'),
        @('--cooldown', 'Part of the steps in the cool-down of wsd'),
        @('--clip', 'Largest norm of the gradient'),
        @('--full-precision-start', 'Part of the steps before ternary weights set in'),
        @('--extended-from', 'Steps of the run that this one extends: its start and window stages stay as they were'),
        @('--seed', 'Decides initial weights and the order of the data'),
        @('--log-every', 'Steps between lines of the log'),
        @('--eval-every', 'Steps between validations (default: a tenth of all; 0: at the end)'),
        @('--val-fraction', 'Part held out by the documents'' digests, where pack held nothing out'),
        @('--eval-bytes', 'Validation bytes scored each time'),
        @('--save-every', 'Steps between checkpoints (default: a tenth of all; 0: at the end)'),
        @('--keep', 'Newest checkpoints kept; 0 keeps all'),
        @('--keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--no-keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps'),
        @('--precision', 'Number type of both passes'),
        @('--threads', 'CPU threads; 0 takes all cores'),
        @('--compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--no-compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--grad-checkpoint', 'Activations computed again in the backward pass, to save memory; auto: block on a GPU'),
        @('--shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--no-shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte train diffusion' = @(
        @('--data', 'Corpus, shards, folder or file (default: the newest corpus).'),
        @('--preset', 'Named architecture; single settings change it.'),
        @('--out', 'Folder of the run (default: artifacts/checkpoints/<date>-<name>).'),
        @('--name', 'Name in the run''s folder.'),
        @('--allow-overwrite', 'Start anew in a folder that exists.'),
        @('--resume', 'Go on with a run: its folder, or auto for --out or the newest run.'),
        @('--extend', 'A finished run to train longer, from where its rate was constant.'),
        @('--optimizer-state', 'Resume with the optimizer''s state.'),
        @('--no-optimizer-state', 'Resume with the optimizer''s state.'),
        @('--track', 'Send the figures to a tracker too, by its own library.'),
        @('--sample-bytes', 'Bytes written at a checkpoint, for report.html (default: by size).'),
        @('--smoke-test', 'Ten steps on made-up bytes: does training work here?'),
        @('--n-layer', 'Transformer blocks'),
        @('--d-model', 'Width of the residual stream'),
        @('--n-head', 'Attention heads'),
        @('--n-kv-head', 'Key/value heads, shared by groups of attention heads (default: n_head)'),
        @('--d-ff', 'Width inside the feed-forward'),
        @('--ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--no-ternary', 'Ternary weights in the blocks (BitNet b1.58)'),
        @('--act-quant', '8-bit activations before each ternary matrix'),
        @('--no-act-quant', '8-bit activations before each ternary matrix'),
        @('--activation', 'Gate of the feed-forward'),
        @('--sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--no-sub-norm', 'Norms before the output projections (default: where ternary)'),
        @('--qk-norm', 'Normalise queries and keys per head'),
        @('--no-qk-norm', 'Normalise queries and keys per head'),
        @('--tied', 'Output head shares the embedding''s weights'),
        @('--no-tied', 'Output head shares the embedding''s weights'),
        @('--rope-base', 'Base of the rotary frequencies'),
        @('--mask-mode', 'Hide single bytes, or spans of them'),
        @('--span-len', 'Bytes of a hidden span'),
        @('--diffusion-steps', 'Rates to hide at, evenly spaced (default: every number of bytes)'),
        @('--min-mask-prob', 'Smallest part of a window that is hidden; at least one byte is'),
        @('--max-mask-prob', 'Largest part of a window that is hidden'),
        @('--short-windows', 'Part of the windows that are cut to a random length'),
        @('--steps', 'Optimizer steps (default: what takes about ten minutes here)'),
        @('--epochs', 'Passes over the corpus, instead of steps'),
        @('--batch-size', 'Windows of a batch (default: by device and window)'),
        @('--grad-accum', 'Batches added up for one optimizer step'),
        @('--micro-batch', 'Windows computed at once: a batch or less, halved where memory runs out'),
        @('--seq-len', 'Fixed window in bytes (default: on a GPU the curriculum)'),
        @('--seq-len-cap', 'Longest window of the curriculum 2048, 4096, 8192'),
        @('--stride', 'Bytes from one window to the next (default: the longest window)'),
        @('--optimizer', 'auto takes muon'),
        @('--lr', 'Learning rate of AdamW (default: 3e-3 beside Muon, else by size)'),
        @('--matrix-lr', 'Learning rate of Muon, which updates the matrices of the blocks'),
        @('--weight-decay', 'Weight decay of AdamW''s matrices; Muon''s own is 0'),
        @('--weight-decay-until', 'Part of the steps with weight decay (default: 0.5 where ternary, else 1)'),
        @('--ema', 'Decay of a moving average of the weights, which is then the model; 0: none'),
        @('--schedule', 'Warm-up, constant, linear cool-down; or cosine to 10 %'),
        @('--warmup-steps', 'Steps of the linear warm-up (default: 2 % of all, at most 500)'),
        @('--cooldown', 'Part of the steps in the cool-down of wsd'),
        @('--clip', 'Largest norm of the gradient'),
        @('--full-precision-start', 'Part of the steps before ternary weights set in'),
        @('--extended-from', 'Steps of the run that this one extends: its start and window stages stay as they were'),
        @('--seed', 'Decides initial weights and the order of the data'),
        @('--log-every', 'Steps between lines of the log'),
        @('--eval-every', 'Steps between validations (default: a tenth of all; 0: at the end)'),
        @('--val-fraction', 'Part held out by the documents'' digests, where pack held nothing out'),
        @('--eval-bytes', 'Validation bytes scored each time'),
        @('--save-every', 'Steps between checkpoints (default: a tenth of all; 0: at the end)'),
        @('--keep', 'Newest checkpoints kept; 0 keeps all'),
        @('--keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--no-keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps'),
        @('--precision', 'Number type of both passes'),
        @('--threads', 'CPU threads; 0 takes all cores'),
        @('--compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--no-compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--grad-checkpoint', 'Activations computed again in the backward pass, to save memory; auto: block on a GPU'),
        @('--shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--no-shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte train mamba' = @(
        @('--data', 'Corpus, shards, folder or file (default: the newest corpus).'),
        @('--preset', 'Named architecture; single settings change it.'),
        @('--out', 'Folder of the run (default: artifacts/checkpoints/<date>-<name>).'),
        @('--name', 'Name in the run''s folder.'),
        @('--allow-overwrite', 'Start anew in a folder that exists.'),
        @('--resume', 'Go on with a run: its folder, or auto for --out or the newest run.'),
        @('--extend', 'A finished run to train longer, from where its rate was constant.'),
        @('--optimizer-state', 'Resume with the optimizer''s state.'),
        @('--no-optimizer-state', 'Resume with the optimizer''s state.'),
        @('--track', 'Send the figures to a tracker too, by its own library.'),
        @('--sample-bytes', 'Bytes written at a checkpoint, for report.html (default: by size).'),
        @('--smoke-test', 'Ten steps on made-up bytes: does training work here?'),
        @('--ssm', 'Kind of state space'),
        @('--n-layer', 'Blocks'),
        @('--d-model', 'Width of the residual stream'),
        @('--d-state', 'Numbers kept a channel (default: 64, from d_model 512 on 128, Mamba-1: 16)'),
        @('--d-conv', 'Taps of the short convolution'),
        @('--expand', 'Width inside a block, as a multiple of d_model'),
        @('--headdim', 'Width of a head; of Mamba-2 alone'),
        @('--n-groups', 'Groups of heads that read and write alike; of Mamba-2 alone'),
        @('--dt-rank', 'Rank of the step sizes; of Mamba-1 alone (default: d_model / 16)'),
        @('--ternary', 'Ternary weights in the projections (BitNet b1.58)'),
        @('--no-ternary', 'Ternary weights in the projections (BitNet b1.58)'),
        @('--act-quant', '8-bit activations before each ternary matrix'),
        @('--no-act-quant', '8-bit activations before each ternary matrix'),
        @('--tied', 'Output head shares the embedding''s weights'),
        @('--no-tied', 'Output head shares the embedding''s weights'),
        @('--z-loss', 'Weight of the z-loss, which keeps logits small'),
        @('--steps', 'Optimizer steps (default: what takes about ten minutes here)'),
        @('--epochs', 'Passes over the corpus, instead of steps'),
        @('--batch-size', 'Windows of a batch (default: by device and window)'),
        @('--grad-accum', 'Batches added up for one optimizer step'),
        @('--micro-batch', 'Windows computed at once: a batch or less, halved where memory runs out'),
        @('--seq-len', 'Fixed window in bytes (default: on a GPU the curriculum)'),
        @('--seq-len-cap', 'Longest window of the curriculum 2048, 4096, 8192'),
        @('--stride', 'Bytes from one window to the next (default: the longest window)'),
        @('--optimizer', 'auto takes muon'),
        @('--lr', 'Learning rate of AdamW (default: 3e-3 beside Muon, else by size)'),
        @('--matrix-lr', 'Learning rate of Muon, which updates the matrices of the blocks'),
        @('--weight-decay', 'Weight decay of AdamW''s matrices; Muon''s own is 0'),
        @('--weight-decay-until', 'Part of the steps with weight decay (default: 0.5 where ternary, else 1)'),
        @('--ema', 'Decay of a moving average of the weights, which is then the model; 0: none'),
        @('--schedule', 'Warm-up, constant, linear cool-down; or cosine to 10 %'),
        @('--warmup-steps', 'Steps of the linear warm-up (default: 2 % of all, at most 500)'),
        @('--cooldown', 'Part of the steps in the cool-down of wsd'),
        @('--clip', 'Largest norm of the gradient'),
        @('--full-precision-start', 'Part of the steps before ternary weights set in'),
        @('--extended-from', 'Steps of the run that this one extends: its start and window stages stay as they were'),
        @('--seed', 'Decides initial weights and the order of the data'),
        @('--log-every', 'Steps between lines of the log'),
        @('--eval-every', 'Steps between validations (default: a tenth of all; 0: at the end)'),
        @('--val-fraction', 'Part held out by the documents'' digests, where pack held nothing out'),
        @('--eval-bytes', 'Validation bytes scored each time'),
        @('--save-every', 'Steps between checkpoints (default: a tenth of all; 0: at the end)'),
        @('--keep', 'Newest checkpoints kept; 0 keeps all'),
        @('--keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--no-keep-best', 'Save after each validation that is the best so far, and keep that one too'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps'),
        @('--precision', 'Number type of both passes'),
        @('--threads', 'CPU threads; 0 takes all cores'),
        @('--compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--no-compile', 'Compile the model: a slower start, faster steps (default: on a GPU, where it works)'),
        @('--grad-checkpoint', 'Activations computed again in the backward pass, to save memory; auto: block on a GPU'),
        @('--shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--no-shard', 'Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte runs' = @(
        @('list', 'List all runs, the latest first'),
        @('show', 'Show one run'),
        @('diff', 'Compare two runs'),
        @('rm', 'Delete runs with all their checkpoints, after asking'),
        @('report', 'Write the page about a run anew'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte runs list' = @(
        @('--root', 'Folder of the runs (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte runs show' = @(
        @('--root', 'Folder of the runs (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte runs diff' = @(
        @('--root', 'Folder of the runs (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte runs rm' = @(
        @('--yes', 'Do not ask.'),
        @('--root', 'Folder of the runs (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte runs report' = @(
        @('--root', 'Folder of the runs (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte ckpt' = @(
        @('ls', 'List the checkpoints under a folder, the last saved first'),
        @('show', 'Show one checkpoint'),
        @('diff', 'Compare two checkpoints'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte ckpt ls' = @(
        @('--root', 'Folder to look in (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte ckpt show' = @(
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte ckpt diff' = @(
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte export' = @(
        @('packed', 'Pack a checkpoint'),
        @('hf', 'Write a checkpoint as a folder for transformers'),
        @('gguf', 'Write a checkpoint as one GGUF file, for llama.cpp and the programs built on it'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte export packed' = @(
        @('--out', 'Folder to write (default: artifacts/exports/RUN-packed).'),
        @('--trits-a-byte', 'Ternary weights a byte: 4 (2 bits each, the fastest) or 5 (1.6 bits, the smallest).'),
        @('--rest', 'What embedding, head and norms are kept as; fp16 rounds them and is smaller.'),
        @('--force', 'Replace what is there.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte export hf' = @(
        @('--out', 'Folder to write (default: artifacts/exports/RUN-hf).'),
        @('--weights', 'Of a ternary model: packed, 2 bits a weight (default), or online, in full and trainable.'),
        @('--dequantize', 'Write ternary values as ordinary numbers, without 8-bit activations.'),
        @('--force', 'Replace what is there.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte export gguf' = @(
        @('--type', 'What matrices are kept as; tq1_0 and tq2_0 are for ternary ones.'),
        @('--out', 'File to write (default: artifacts/exports/RUN-TYPE.gguf).'),
        @('--force', 'Replace what is there.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot' = @(
        @('run', 'Compare runs'),
        @('bytes', 'Colour a text by surprisal'),
        @('next', 'Show what the model expects next'),
        @('embeddings', 'Draw the embeddings of the 256 bytes in two dimensions, by principal components, coloured by kind'),
        @('attention', 'Draw where each head of a transformer looks while it reads a text'),
        @('weights', 'Draw the weights of each layer'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot run' = @(
        @('--x', 'What to draw the curves over.'),
        @('--out', 'Picture, .png or .svg (default in a pipe: one in artifacts/plots).'),
        @('--terminal', 'Draw in text, also where stdout is no terminal.'),
        @('--root', 'Folder of runs (default: artifacts/checkpoints).'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot bytes' = @(
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--max-bytes', 'Read only the first so many bytes.'),
        @('--spans', 'How many of the costliest spans to list.'),
        @('--out', 'A page, .html, or the curve alone, .svg or .png (default: artifacts/plots).'),
        @('--force', 'Replace a picture that is there.'),
        @('--terminal', 'Show the text also where stdout is no terminal.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--engine', 'What computes: auto takes native for packed checkpoints on a CPU.'),
        @('--threads', 'CPU threads; 0 takes what pays.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot next' = @(
        @('--prompt', 'Text before the byte; - reads it from stdin.'),
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--top', 'How many of the likeliest bytes.'),
        @('--out', 'Picture, .svg or .png (default: one in artifacts/plots).'),
        @('--force', 'Replace a picture that is there.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--engine', 'What computes: auto takes native for packed checkpoints on a CPU.'),
        @('--threads', 'CPU threads; 0 takes what pays.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot embeddings' = @(
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--across', 'The component that goes to the right.'),
        @('--up', 'The component that goes upwards.'),
        @('--out', 'Picture, .svg or .png (default: one in artifacts/plots).'),
        @('--force', 'Replace a picture that is there.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot attention' = @(
        @('--prompt', 'The text that is read; - takes it from stdin.'),
        @('--layer', 'Only this layer, from 0.'),
        @('--head', 'Only this head, from 0.'),
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--out', 'Picture, .svg or .png (default: one in artifacts/plots).'),
        @('--force', 'Replace a picture that is there.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte plot weights' = @(
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest, else the starter model).'),
        @('--out', 'Picture, .svg or .png (default: one in artifacts/plots).'),
        @('--force', 'Replace a picture that is there.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
}
$bbyteChoices = @{
    'bbyte quickstart --seconds' = @()
    'bbyte quickstart --out' = @()
    'bbyte quickstart --config' = @()
    'bbyte doctor --config' = @()
    'bbyte pack --out-dir' = @()
    'bbyte pack --inputs' = @()
    'bbyte pack --exts' = @()
    'bbyte pack --field' = @()
    'bbyte pack --column' = @()
    'bbyte pack --dedup' = @('exact')
    'bbyte pack --shuffle-documents' = @()
    'bbyte pack --max-bytes' = @()
    'bbyte pack --shard-size-gb' = @()
    'bbyte pack --sep-byte' = @('none')
    'bbyte pack --val-fraction' = @()
    'bbyte pack --workers' = @()
    'bbyte pack --num-slices' = @()
    'bbyte pack --slice' = @()
    'bbyte pack --config' = @()
    'bbyte shard-tinystories --input-dir' = @()
    'bbyte shard-tinystories --out-dir' = @()
    'bbyte shard-tinystories --shard-size-gb' = @()
    'bbyte shard-tinystories --sep-byte' = @('none')
    'bbyte shard-tinystories --val-fraction' = @()
    'bbyte shard-tinystories --config' = @()
    'bbyte tag-ckpt --root' = @()
    'bbyte tag-ckpt --family' = @()
    'bbyte tag-ckpt --model-family' = @()
    'bbyte tag-ckpt --variant' = @()
    'bbyte tag-ckpt --config' = @()
    'bbyte verify --config' = @()
    'bbyte import --out' = @()
    'bbyte import --context' = @()
    'bbyte import --config' = @()
    'bbyte eval-bpb --data' = @()
    'bbyte eval-bpb --context' = @()
    'bbyte eval-bpb --stride' = @()
    'bbyte eval-bpb --batch-size' = @()
    'bbyte eval-bpb --max-bytes' = @()
    'bbyte eval-bpb --draws' = @()
    'bbyte eval-bpb --seed' = @()
    'bbyte eval-bpb --device' = @()
    'bbyte eval-bpb --precision' = @()
    'bbyte eval-bpb --threads' = @()
    'bbyte eval-bpb --config' = @()
    'bbyte lm-eval --tasks' = @()
    'bbyte lm-eval --ckpt' = @()
    'bbyte lm-eval --include-path' = @()
    'bbyte lm-eval --limit' = @()
    'bbyte lm-eval --num-fewshot' = @()
    'bbyte lm-eval --batch-size' = @()
    'bbyte lm-eval --seed' = @()
    'bbyte lm-eval --output' = @()
    'bbyte lm-eval --device' = @()
    'bbyte lm-eval --precision' = @()
    'bbyte lm-eval --threads' = @()
    'bbyte lm-eval --config' = @()
    'bbyte generate --ckpt' = @()
    'bbyte generate --prompt' = @()
    'bbyte generate --prompt-file' = @()
    'bbyte generate --max-new-tokens' = @()
    'bbyte generate --stop' = @()
    'bbyte generate --num-samples' = @()
    'bbyte generate --device' = @()
    'bbyte generate --engine' = @('auto', 'native', 'numpy', 'torch')
    'bbyte generate --threads' = @()
    'bbyte generate --metrics-json' = @()
    'bbyte generate --block-bytes' = @()
    'bbyte generate --block-steps' = @()
    'bbyte generate --temperature' = @()
    'bbyte generate --top-k' = @()
    'bbyte generate --top-p' = @()
    'bbyte generate --min-p' = @()
    'bbyte generate --repetition-penalty' = @()
    'bbyte generate --penalty-window' = @()
    'bbyte generate --utf8' = @('any', 'valid')
    'bbyte generate --seed' = @()
    'bbyte generate --config' = @()
    'bbyte play --device' = @()
    'bbyte play --engine' = @('auto', 'native', 'numpy', 'torch')
    'bbyte play --threads' = @()
    'bbyte play --temperature' = @()
    'bbyte play --top-k' = @()
    'bbyte play --top-p' = @()
    'bbyte play --min-p' = @()
    'bbyte play --repetition-penalty' = @()
    'bbyte play --penalty-window' = @()
    'bbyte play --utf8' = @('any', 'valid')
    'bbyte play --seed' = @()
    'bbyte play --length' = @()
    'bbyte play --config' = @()
    'bbyte serve --host' = @()
    'bbyte serve --port' = @()
    'bbyte serve --api-key' = @()
    'bbyte serve --device' = @()
    'bbyte serve --engine' = @('auto', 'native', 'numpy', 'torch')
    'bbyte serve --threads' = @()
    'bbyte serve --max-requests' = @()
    'bbyte serve --max-body-bytes' = @()
    'bbyte serve --max-prompt-bytes' = @()
    'bbyte serve --max-new-tokens' = @()
    'bbyte serve --max-texts' = @()
    'bbyte serve --config' = @()
    'bbyte infill --ckpt' = @()
    'bbyte infill --prompt' = @()
    'bbyte infill --file' = @()
    'bbyte infill --mask-range' = @()
    'bbyte infill --random-rate' = @()
    'bbyte infill --max-length' = @()
    'bbyte infill --num-samples' = @()
    'bbyte infill --device' = @()
    'bbyte infill --metrics-json' = @()
    'bbyte infill --steps' = @()
    'bbyte infill --order' = @('confidence', 'random', 'left')
    'bbyte infill --temperature' = @()
    'bbyte infill --top-k' = @()
    'bbyte infill --top-p' = @()
    'bbyte infill --utf8' = @('any', 'valid')
    'bbyte infill --seed' = @()
    'bbyte infill --config' = @()
    'bbyte compress --out' = @()
    'bbyte compress --level' = @()
    'bbyte compress --ckpt' = @()
    'bbyte compress --hybrid' = @('auto', 'on', 'off')
    'bbyte compress --engine' = @('auto', 'native', 'numpy')
    'bbyte compress --threads' = @()
    'bbyte compress --chunk-bytes' = @()
    'bbyte compress --config' = @()
    'bbyte decompress --out' = @()
    'bbyte decompress --ckpt' = @()
    'bbyte decompress --engine' = @('auto', 'native', 'numpy')
    'bbyte decompress --threads' = @()
    'bbyte decompress --config' = @()
    'bbyte corpus show --config' = @()
    'bbyte corpus merge --config' = @()
    'bbyte plan ar --data' = @()
    'bbyte plan ar --preset' = @()
    'bbyte plan ar --memory' = @()
    'bbyte plan ar --processes' = @()
    'bbyte plan ar --n-layer' = @()
    'bbyte plan ar --d-model' = @()
    'bbyte plan ar --n-head' = @()
    'bbyte plan ar --n-kv-head' = @()
    'bbyte plan ar --d-ff' = @()
    'bbyte plan ar --activation' = @('swiglu', 'relu2')
    'bbyte plan ar --rope-base' = @()
    'bbyte plan ar --z-loss' = @()
    'bbyte plan ar --steps' = @()
    'bbyte plan ar --epochs' = @()
    'bbyte plan ar --batch-size' = @()
    'bbyte plan ar --grad-accum' = @()
    'bbyte plan ar --micro-batch' = @('auto')
    'bbyte plan ar --seq-len' = @()
    'bbyte plan ar --seq-len-cap' = @()
    'bbyte plan ar --stride' = @()
    'bbyte plan ar --optimizer' = @('auto', 'adamw', 'adamw8bit', 'muon')
    'bbyte plan ar --lr' = @()
    'bbyte plan ar --matrix-lr' = @()
    'bbyte plan ar --weight-decay' = @()
    'bbyte plan ar --weight-decay-until' = @()
    'bbyte plan ar --ema' = @()
    'bbyte plan ar --schedule' = @('wsd', 'cosine')
    'bbyte plan ar --warmup-steps' = @()
    'bbyte plan ar --cooldown' = @()
    'bbyte plan ar --clip' = @()
    'bbyte plan ar --full-precision-start' = @()
    'bbyte plan ar --extended-from' = @()
    'bbyte plan ar --seed' = @()
    'bbyte plan ar --log-every' = @()
    'bbyte plan ar --eval-every' = @()
    'bbyte plan ar --val-fraction' = @()
    'bbyte plan ar --eval-bytes' = @()
    'bbyte plan ar --save-every' = @()
    'bbyte plan ar --keep' = @()
    'bbyte plan ar --device' = @()
    'bbyte plan ar --precision' = @('auto', 'fp32', 'bf16', 'fp16')
    'bbyte plan ar --threads' = @()
    'bbyte plan ar --grad-checkpoint' = @('auto', 'none', 'mlp', 'block')
    'bbyte plan ar --config' = @()
    'bbyte plan diffusion --data' = @()
    'bbyte plan diffusion --preset' = @()
    'bbyte plan diffusion --memory' = @()
    'bbyte plan diffusion --processes' = @()
    'bbyte plan diffusion --n-layer' = @()
    'bbyte plan diffusion --d-model' = @()
    'bbyte plan diffusion --n-head' = @()
    'bbyte plan diffusion --n-kv-head' = @()
    'bbyte plan diffusion --d-ff' = @()
    'bbyte plan diffusion --activation' = @('swiglu', 'relu2')
    'bbyte plan diffusion --rope-base' = @()
    'bbyte plan diffusion --mask-mode' = @('token', 'span')
    'bbyte plan diffusion --span-len' = @()
    'bbyte plan diffusion --diffusion-steps' = @()
    'bbyte plan diffusion --min-mask-prob' = @()
    'bbyte plan diffusion --max-mask-prob' = @()
    'bbyte plan diffusion --short-windows' = @()
    'bbyte plan diffusion --steps' = @()
    'bbyte plan diffusion --epochs' = @()
    'bbyte plan diffusion --batch-size' = @()
    'bbyte plan diffusion --grad-accum' = @()
    'bbyte plan diffusion --micro-batch' = @('auto')
    'bbyte plan diffusion --seq-len' = @()
    'bbyte plan diffusion --seq-len-cap' = @()
    'bbyte plan diffusion --stride' = @()
    'bbyte plan diffusion --optimizer' = @('auto', 'adamw', 'adamw8bit', 'muon')
    'bbyte plan diffusion --lr' = @()
    'bbyte plan diffusion --matrix-lr' = @()
    'bbyte plan diffusion --weight-decay' = @()
    'bbyte plan diffusion --weight-decay-until' = @()
    'bbyte plan diffusion --ema' = @()
    'bbyte plan diffusion --schedule' = @('wsd', 'cosine')
    'bbyte plan diffusion --warmup-steps' = @()
    'bbyte plan diffusion --cooldown' = @()
    'bbyte plan diffusion --clip' = @()
    'bbyte plan diffusion --full-precision-start' = @()
    'bbyte plan diffusion --extended-from' = @()
    'bbyte plan diffusion --seed' = @()
    'bbyte plan diffusion --log-every' = @()
    'bbyte plan diffusion --eval-every' = @()
    'bbyte plan diffusion --val-fraction' = @()
    'bbyte plan diffusion --eval-bytes' = @()
    'bbyte plan diffusion --save-every' = @()
    'bbyte plan diffusion --keep' = @()
    'bbyte plan diffusion --device' = @()
    'bbyte plan diffusion --precision' = @('auto', 'fp32', 'bf16', 'fp16')
    'bbyte plan diffusion --threads' = @()
    'bbyte plan diffusion --grad-checkpoint' = @('auto', 'none', 'mlp', 'block')
    'bbyte plan diffusion --config' = @()
    'bbyte plan mamba --data' = @()
    'bbyte plan mamba --preset' = @()
    'bbyte plan mamba --memory' = @()
    'bbyte plan mamba --processes' = @()
    'bbyte plan mamba --ssm' = @('mamba2', 'mamba1')
    'bbyte plan mamba --n-layer' = @()
    'bbyte plan mamba --d-model' = @()
    'bbyte plan mamba --d-state' = @()
    'bbyte plan mamba --d-conv' = @()
    'bbyte plan mamba --expand' = @()
    'bbyte plan mamba --headdim' = @()
    'bbyte plan mamba --n-groups' = @()
    'bbyte plan mamba --dt-rank' = @()
    'bbyte plan mamba --z-loss' = @()
    'bbyte plan mamba --steps' = @()
    'bbyte plan mamba --epochs' = @()
    'bbyte plan mamba --batch-size' = @()
    'bbyte plan mamba --grad-accum' = @()
    'bbyte plan mamba --micro-batch' = @('auto')
    'bbyte plan mamba --seq-len' = @()
    'bbyte plan mamba --seq-len-cap' = @()
    'bbyte plan mamba --stride' = @()
    'bbyte plan mamba --optimizer' = @('auto', 'adamw', 'adamw8bit', 'muon')
    'bbyte plan mamba --lr' = @()
    'bbyte plan mamba --matrix-lr' = @()
    'bbyte plan mamba --weight-decay' = @()
    'bbyte plan mamba --weight-decay-until' = @()
    'bbyte plan mamba --ema' = @()
    'bbyte plan mamba --schedule' = @('wsd', 'cosine')
    'bbyte plan mamba --warmup-steps' = @()
    'bbyte plan mamba --cooldown' = @()
    'bbyte plan mamba --clip' = @()
    'bbyte plan mamba --full-precision-start' = @()
    'bbyte plan mamba --extended-from' = @()
    'bbyte plan mamba --seed' = @()
    'bbyte plan mamba --log-every' = @()
    'bbyte plan mamba --eval-every' = @()
    'bbyte plan mamba --val-fraction' = @()
    'bbyte plan mamba --eval-bytes' = @()
    'bbyte plan mamba --save-every' = @()
    'bbyte plan mamba --keep' = @()
    'bbyte plan mamba --device' = @()
    'bbyte plan mamba --precision' = @('auto', 'fp32', 'bf16', 'fp16')
    'bbyte plan mamba --threads' = @()
    'bbyte plan mamba --grad-checkpoint' = @('auto', 'none', 'mlp', 'block')
    'bbyte plan mamba --config' = @()
    'bbyte train ar --data' = @()
    'bbyte train ar --preset' = @()
    'bbyte train ar --out' = @()
    'bbyte train ar --name' = @()
    'bbyte train ar --resume' = @()
    'bbyte train ar --extend' = @()
    'bbyte train ar --track' = @('tensorboard', 'wandb', 'trackio')
    'bbyte train ar --sample-bytes' = @()
    'bbyte train ar --n-layer' = @()
    'bbyte train ar --d-model' = @()
    'bbyte train ar --n-head' = @()
    'bbyte train ar --n-kv-head' = @()
    'bbyte train ar --d-ff' = @()
    'bbyte train ar --activation' = @('swiglu', 'relu2')
    'bbyte train ar --rope-base' = @()
    'bbyte train ar --z-loss' = @()
    'bbyte train ar --steps' = @()
    'bbyte train ar --epochs' = @()
    'bbyte train ar --batch-size' = @()
    'bbyte train ar --grad-accum' = @()
    'bbyte train ar --micro-batch' = @('auto')
    'bbyte train ar --seq-len' = @()
    'bbyte train ar --seq-len-cap' = @()
    'bbyte train ar --stride' = @()
    'bbyte train ar --optimizer' = @('auto', 'adamw', 'adamw8bit', 'muon')
    'bbyte train ar --lr' = @()
    'bbyte train ar --matrix-lr' = @()
    'bbyte train ar --weight-decay' = @()
    'bbyte train ar --weight-decay-until' = @()
    'bbyte train ar --ema' = @()
    'bbyte train ar --schedule' = @('wsd', 'cosine')
    'bbyte train ar --warmup-steps' = @()
    'bbyte train ar --cooldown' = @()
    'bbyte train ar --clip' = @()
    'bbyte train ar --full-precision-start' = @()
    'bbyte train ar --extended-from' = @()
    'bbyte train ar --seed' = @()
    'bbyte train ar --log-every' = @()
    'bbyte train ar --eval-every' = @()
    'bbyte train ar --val-fraction' = @()
    'bbyte train ar --eval-bytes' = @()
    'bbyte train ar --save-every' = @()
    'bbyte train ar --keep' = @()
    'bbyte train ar --device' = @()
    'bbyte train ar --precision' = @('auto', 'fp32', 'bf16', 'fp16')
    'bbyte train ar --threads' = @()
    'bbyte train ar --grad-checkpoint' = @('auto', 'none', 'mlp', 'block')
    'bbyte train ar --config' = @()
    'bbyte train diffusion --data' = @()
    'bbyte train diffusion --preset' = @()
    'bbyte train diffusion --out' = @()
    'bbyte train diffusion --name' = @()
    'bbyte train diffusion --resume' = @()
    'bbyte train diffusion --extend' = @()
    'bbyte train diffusion --track' = @('tensorboard', 'wandb', 'trackio')
    'bbyte train diffusion --sample-bytes' = @()
    'bbyte train diffusion --n-layer' = @()
    'bbyte train diffusion --d-model' = @()
    'bbyte train diffusion --n-head' = @()
    'bbyte train diffusion --n-kv-head' = @()
    'bbyte train diffusion --d-ff' = @()
    'bbyte train diffusion --activation' = @('swiglu', 'relu2')
    'bbyte train diffusion --rope-base' = @()
    'bbyte train diffusion --mask-mode' = @('token', 'span')
    'bbyte train diffusion --span-len' = @()
    'bbyte train diffusion --diffusion-steps' = @()
    'bbyte train diffusion --min-mask-prob' = @()
    'bbyte train diffusion --max-mask-prob' = @()
    'bbyte train diffusion --short-windows' = @()
    'bbyte train diffusion --steps' = @()
    'bbyte train diffusion --epochs' = @()
    'bbyte train diffusion --batch-size' = @()
    'bbyte train diffusion --grad-accum' = @()
    'bbyte train diffusion --micro-batch' = @('auto')
    'bbyte train diffusion --seq-len' = @()
    'bbyte train diffusion --seq-len-cap' = @()
    'bbyte train diffusion --stride' = @()
    'bbyte train diffusion --optimizer' = @('auto', 'adamw', 'adamw8bit', 'muon')
    'bbyte train diffusion --lr' = @()
    'bbyte train diffusion --matrix-lr' = @()
    'bbyte train diffusion --weight-decay' = @()
    'bbyte train diffusion --weight-decay-until' = @()
    'bbyte train diffusion --ema' = @()
    'bbyte train diffusion --schedule' = @('wsd', 'cosine')
    'bbyte train diffusion --warmup-steps' = @()
    'bbyte train diffusion --cooldown' = @()
    'bbyte train diffusion --clip' = @()
    'bbyte train diffusion --full-precision-start' = @()
    'bbyte train diffusion --extended-from' = @()
    'bbyte train diffusion --seed' = @()
    'bbyte train diffusion --log-every' = @()
    'bbyte train diffusion --eval-every' = @()
    'bbyte train diffusion --val-fraction' = @()
    'bbyte train diffusion --eval-bytes' = @()
    'bbyte train diffusion --save-every' = @()
    'bbyte train diffusion --keep' = @()
    'bbyte train diffusion --device' = @()
    'bbyte train diffusion --precision' = @('auto', 'fp32', 'bf16', 'fp16')
    'bbyte train diffusion --threads' = @()
    'bbyte train diffusion --grad-checkpoint' = @('auto', 'none', 'mlp', 'block')
    'bbyte train diffusion --config' = @()
    'bbyte train mamba --data' = @()
    'bbyte train mamba --preset' = @()
    'bbyte train mamba --out' = @()
    'bbyte train mamba --name' = @()
    'bbyte train mamba --resume' = @()
    'bbyte train mamba --extend' = @()
    'bbyte train mamba --track' = @('tensorboard', 'wandb', 'trackio')
    'bbyte train mamba --sample-bytes' = @()
    'bbyte train mamba --ssm' = @('mamba2', 'mamba1')
    'bbyte train mamba --n-layer' = @()
    'bbyte train mamba --d-model' = @()
    'bbyte train mamba --d-state' = @()
    'bbyte train mamba --d-conv' = @()
    'bbyte train mamba --expand' = @()
    'bbyte train mamba --headdim' = @()
    'bbyte train mamba --n-groups' = @()
    'bbyte train mamba --dt-rank' = @()
    'bbyte train mamba --z-loss' = @()
    'bbyte train mamba --steps' = @()
    'bbyte train mamba --epochs' = @()
    'bbyte train mamba --batch-size' = @()
    'bbyte train mamba --grad-accum' = @()
    'bbyte train mamba --micro-batch' = @('auto')
    'bbyte train mamba --seq-len' = @()
    'bbyte train mamba --seq-len-cap' = @()
    'bbyte train mamba --stride' = @()
    'bbyte train mamba --optimizer' = @('auto', 'adamw', 'adamw8bit', 'muon')
    'bbyte train mamba --lr' = @()
    'bbyte train mamba --matrix-lr' = @()
    'bbyte train mamba --weight-decay' = @()
    'bbyte train mamba --weight-decay-until' = @()
    'bbyte train mamba --ema' = @()
    'bbyte train mamba --schedule' = @('wsd', 'cosine')
    'bbyte train mamba --warmup-steps' = @()
    'bbyte train mamba --cooldown' = @()
    'bbyte train mamba --clip' = @()
    'bbyte train mamba --full-precision-start' = @()
    'bbyte train mamba --extended-from' = @()
    'bbyte train mamba --seed' = @()
    'bbyte train mamba --log-every' = @()
    'bbyte train mamba --eval-every' = @()
    'bbyte train mamba --val-fraction' = @()
    'bbyte train mamba --eval-bytes' = @()
    'bbyte train mamba --save-every' = @()
    'bbyte train mamba --keep' = @()
    'bbyte train mamba --device' = @()
    'bbyte train mamba --precision' = @('auto', 'fp32', 'bf16', 'fp16')
    'bbyte train mamba --threads' = @()
    'bbyte train mamba --grad-checkpoint' = @('auto', 'none', 'mlp', 'block')
    'bbyte train mamba --config' = @()
    'bbyte runs list --root' = @()
    'bbyte runs list --config' = @()
    'bbyte runs show --root' = @()
    'bbyte runs show --config' = @()
    'bbyte runs diff --root' = @()
    'bbyte runs diff --config' = @()
    'bbyte runs rm --root' = @()
    'bbyte runs rm --config' = @()
    'bbyte runs report --root' = @()
    'bbyte runs report --config' = @()
    'bbyte ckpt ls --root' = @()
    'bbyte ckpt ls --config' = @()
    'bbyte ckpt show --config' = @()
    'bbyte ckpt diff --config' = @()
    'bbyte export packed --out' = @()
    'bbyte export packed --trits-a-byte' = @('4', '5')
    'bbyte export packed --rest' = @('fp32', 'fp16')
    'bbyte export packed --config' = @()
    'bbyte export hf --out' = @()
    'bbyte export hf --weights' = @('packed', 'online')
    'bbyte export hf --config' = @()
    'bbyte export gguf --type' = @('f16', 'q8_0', 'tq1_0', 'tq2_0')
    'bbyte export gguf --out' = @()
    'bbyte export gguf --config' = @()
    'bbyte plot run --x' = @('steps', 'bytes', 'seconds')
    'bbyte plot run --out' = @()
    'bbyte plot run --root' = @()
    'bbyte plot run --config' = @()
    'bbyte plot bytes --ckpt' = @()
    'bbyte plot bytes --max-bytes' = @()
    'bbyte plot bytes --spans' = @()
    'bbyte plot bytes --out' = @()
    'bbyte plot bytes --device' = @()
    'bbyte plot bytes --engine' = @('auto', 'native', 'numpy', 'torch')
    'bbyte plot bytes --threads' = @()
    'bbyte plot bytes --config' = @()
    'bbyte plot next --prompt' = @()
    'bbyte plot next --ckpt' = @()
    'bbyte plot next --top' = @()
    'bbyte plot next --out' = @()
    'bbyte plot next --device' = @()
    'bbyte plot next --engine' = @('auto', 'native', 'numpy', 'torch')
    'bbyte plot next --threads' = @()
    'bbyte plot next --config' = @()
    'bbyte plot embeddings --ckpt' = @()
    'bbyte plot embeddings --across' = @()
    'bbyte plot embeddings --up' = @()
    'bbyte plot embeddings --out' = @()
    'bbyte plot embeddings --config' = @()
    'bbyte plot attention --prompt' = @()
    'bbyte plot attention --layer' = @()
    'bbyte plot attention --head' = @()
    'bbyte plot attention --ckpt' = @()
    'bbyte plot attention --out' = @()
    'bbyte plot attention --device' = @()
    'bbyte plot attention --config' = @()
    'bbyte plot weights --ckpt' = @()
    'bbyte plot weights --out' = @()
    'bbyte plot weights --config' = @()
}
Register-ArgumentCompleter -Native -CommandName bbyte -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
    if ($wordToComplete -ne '' -and $words.Count -gt 1) { $words = @($words[0..($words.Count - 2)]) }
    $here = 'bbyte'
    foreach ($word in @($words | Select-Object -Skip 1)) {
        if ($bbytePlaces.ContainsKey("$here $word")) { $here = "$here $word" }
    }
    $flag = "$here $($words[-1])"
    if ($bbyteChoices.ContainsKey($flag)) {
        $bbyteChoices[$flag] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
            [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
        }
        return
    }
    $bbytePlaces[$here] | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1])
    }
}
