# Completion of bbyte for PowerShell, generated from the program by: make completions
# Load it from your $PROFILE with: . path/to/bbyte.ps1

$bbytePlaces = @{
    'bbyte' = @(
        @('pack', 'Pack any files into a corpus to train on'),
        @('shard-tinystories', 'Make a corpus of TinyStories'),
        @('eval-bpb', 'Score data in bits per byte'),
        @('generate', 'Write on from a prompt, byte by byte'),
        @('--version', 'Show the versions of bbyte and Python.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte pack' = @(
        @('--out-dir', 'Folder of the new corpus.'),
        @('--inputs', 'The same: --inputs a b c, or --inputs a --inputs b. .gz .bz2 .xz .zst are unpacked.'),
        @('--exts', 'Take only these from folders: .txt,.md (looking through .gz and the like).'),
        @('--shard-size-gb', 'Size of a shard, 1 GB = 1024³ bytes.'),
        @('--sep-byte', 'The byte after each document, or none.'),
        @('--val-fraction', 'Share of the bytes to hold out for validation, chosen by content.'),
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
    'bbyte eval-bpb' = @(
        @('--data', 'File or corpus to score; of a corpus the held-out part, if it has one.'),
        @('--context', 'Bytes a window holds (default: as many as were trained on).'),
        @('--stride', 'Bytes from window to window (default: half the context).'),
        @('--batch-size', 'Windows computed at once.'),
        @('--max-bytes', 'Score only the first so many bytes.'),
        @('--all-steps', 'Score every checkpoint of a run, not only its newest.'),
        @('--anchors', 'Also show order-0, gzip, xz and PPMd on the same bytes.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--precision', 'auto, fp32, bf16 or fp16.'),
        @('--threads', 'CPU threads; 0 takes all cores.'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
    'bbyte generate' = @(
        @('--ckpt', 'Checkpoint, or folder of a run (default: the newest).'),
        @('--prompt', 'Text to go on from; - reads it from stdin.'),
        @('--prompt-file', 'File with the bytes to go on from.'),
        @('--max-new-tokens', 'How many bytes to write.'),
        @('--echo', 'Show the prompt before its continuation.'),
        @('--no-echo', 'Show the prompt before its continuation.'),
        @('--device', 'auto, cpu, cuda, cuda:N or mps.'),
        @('--metrics', 'Say at the end how fast and how surprising the text was.'),
        @('--metrics-json', 'Write these figures to a JSON file.'),
        @('--temperature', 'Below 1 sharpens the distribution, above 1 flattens it; 0 takes the likeliest byte'),
        @('--top-k', 'Keep only the k likeliest bytes; 0 keeps all'),
        @('--top-p', 'Keep the likeliest bytes that together have this probability; 1 keeps all'),
        @('--min-p', 'Keep bytes at least this fraction as likely as the likeliest; 0 keeps all'),
        @('--repetition-penalty', 'Above 1 makes bytes of the last --penalty-window less likely'),
        @('--penalty-window', 'How many bytes back the repetition penalty looks'),
        @('--seed', 'The same seed gives the same bytes'),
        @('--quiet', 'Say nothing but warnings and errors.'),
        @('--json', 'Give the result as JSON on stdout, for programs.'),
        @('--config', 'Take settings from a TOML file; flags and BBYTE_… variables win.'),
        @('--help', 'Show this message and exit.')
    )
}
$bbyteChoices = @{
    'bbyte pack --out-dir' = @()
    'bbyte pack --inputs' = @()
    'bbyte pack --exts' = @()
    'bbyte pack --shard-size-gb' = @()
    'bbyte pack --sep-byte' = @('none')
    'bbyte pack --val-fraction' = @()
    'bbyte pack --config' = @()
    'bbyte shard-tinystories --input-dir' = @()
    'bbyte shard-tinystories --out-dir' = @()
    'bbyte shard-tinystories --shard-size-gb' = @()
    'bbyte shard-tinystories --sep-byte' = @('none')
    'bbyte shard-tinystories --val-fraction' = @()
    'bbyte shard-tinystories --config' = @()
    'bbyte eval-bpb --data' = @()
    'bbyte eval-bpb --context' = @()
    'bbyte eval-bpb --stride' = @()
    'bbyte eval-bpb --batch-size' = @()
    'bbyte eval-bpb --max-bytes' = @()
    'bbyte eval-bpb --device' = @()
    'bbyte eval-bpb --precision' = @()
    'bbyte eval-bpb --threads' = @()
    'bbyte eval-bpb --config' = @()
    'bbyte generate --ckpt' = @()
    'bbyte generate --prompt' = @()
    'bbyte generate --prompt-file' = @()
    'bbyte generate --max-new-tokens' = @()
    'bbyte generate --device' = @()
    'bbyte generate --metrics-json' = @()
    'bbyte generate --temperature' = @()
    'bbyte generate --top-k' = @()
    'bbyte generate --top-p' = @()
    'bbyte generate --min-p' = @()
    'bbyte generate --repetition-penalty' = @()
    'bbyte generate --penalty-window' = @()
    'bbyte generate --seed' = @()
    'bbyte generate --config' = @()
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
