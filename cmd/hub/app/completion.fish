# Completion of hub for fish. Put this into ~/.config/fish/config.fish:
#   hub completion fish | source
function __hub_complete
	set -l words (commandline -opc)
	set -l lines ($words[1] complete fish -- $words[2..-1] (commandline -ct) 2>/dev/null)
	if test "$lines[1]" = files
		set -l current (string unescape -- (commandline -ct))
		set -l lead (string match -r '^--[^=]*=' -- $current)
		for file in (__fish_complete_path (string replace -- "$lead" '' $current))
			printf '%s%s\n' "$lead" $file
		end
	else
		printf '%s\n' $lines[2..-1]
	end
end
complete -c hub -f -a '(__hub_complete)'
