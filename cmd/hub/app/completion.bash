# Completion of hub for bash. Put this into ~/.bashrc:
#   eval "$(hub completion bash)"
_hub_complete() {
	local hub=${COMP_WORDS[0]/#\~/$HOME} directive line
	COMPREPLY=()
	{
		IFS= read -r directive
		while IFS= read -r line; do
			COMPREPLY+=("$line")
		done
	} < <("$hub" complete bash --breaks "$COMP_WORDBREAKS" -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
	case $directive in
	nospace) compopt -o nospace ;;
	files) compopt -o default ;;
	esac
}
complete -F _hub_complete hub
