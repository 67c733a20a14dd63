#compdef hub
# Completion of hub for zsh. Put this into ~/.zshrc, behind compinit:
#   eval "$(hub completion zsh)"
_hub() {
	local -a before lines texts shown more more_shown
	local directive line text about
	(( CURRENT > 2 )) && before=("${(@Q)words[2,CURRENT-1]}")
	lines=("${(@f)$(${(Q)~words[1]} complete zsh -- "${before[@]}" "${(Q)PREFIX}" 2>/dev/null)}")
	directive=$lines[1]
	if [[ $directive == files ]]; then
		[[ $PREFIX == --* ]] && compset -P '*='
		_files
		return
	fi
	for line in "${(@)lines[2,-1]}"; do
		[[ -n $line ]] || continue
		text=${line%%$'\t'*}
		about=${line#*$'\t'}
		[[ $line == *$'\t'* ]] && about="$text  -- $about" || about=$text
		if [[ $text == *[=/] ]]; then
			more+=("$text")
			more_shown+=("$about")
		else
			texts+=("$text")
			shown+=("$about")
		fi
	done
	(( $#texts )) && compadd -l -d shown -a texts
	(( $#more )) && compadd -S '' -l -d more_shown -a more
}
if [[ ${funcstack[1]} == _hub ]]; then
	_hub "$@"
else
	compdef _hub hub
fi
