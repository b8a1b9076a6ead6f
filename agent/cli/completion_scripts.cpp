// The shells' side of completion. Whatever can follow is asked of the program, so these never go out of date.
#include "agent/cli/complete.h"

namespace bulkhead::cli {
namespace {

constexpr const char* kBash = R"sh(# Completion of bulkheadctl for bash, written by: bulkheadctl completion bash
_bulkheadctl() {
  local rest=${COMP_LINE:0:COMP_POINT} words=() i line
  # Bash also splits at = and :, which stand in the middle of our words: what no space separates belongs together.
  for ((i = 0; i <= COMP_CWORD; ++i)); do
    if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then words+=(""); fi
    rest=${rest#"${rest%%[![:space:]]*}"}
    if ((i == COMP_CWORD)); then
      words[-1]+=$rest
    else
      words[-1]+=${COMP_WORDS[i]}
      rest=${rest#"${COMP_WORDS[i]}"}
    fi
  done
  # Bash replaces only what stands behind the last of these characters.
  local current=${words[-1]} part=${words[-1]}
  if [[ $COMP_WORDBREAKS == *=* ]]; then part=${part##*=}; fi
  if [[ $COMP_WORDBREAKS == *:* ]]; then part=${part##*:}; fi
  local kept=${current%"$part"}

  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$part") ;;
      :folders)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$part") ;;
      :commands)
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$part") ;;
      :nospace) compopt -o nospace 2>/dev/null ;;
      *)
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"$kept"}") ;;
    esac
  done < <("$1" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _bulkheadctl bulkheadctl
)sh";

constexpr const char* kZsh = R"sh(#compdef bulkheadctl
# Completion of bulkheadctl for zsh, written by: bulkheadctl completion zsh
_bulkheadctl() {
  local line
  local -a typed offers extra
  typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)IPREFIX}${(Q)PREFIX}")
  for line in "${(@f)$(${(Q)words[1]} __complete -- "${typed[@]}" 2>/dev/null)}"; do
    case $line in
      (:files) _files ;;
      (:folders) _files -/ ;;
      (:commands) _command_names -e ;;
      (:nospace) extra=(-S '') ;;
      (?*) offers+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
    esac
  done
  if (( $#offers )); then _describe bulkheadctl offers "${extra[@]}"; fi
}
if [[ $funcstack[1] == _bulkheadctl ]]; then _bulkheadctl "$@"; else compdef _bulkheadctl bulkheadctl; fi
)sh";

constexpr const char* kFish = R"sh(# Completion of bulkheadctl for fish, written by: bulkheadctl completion fish
function __bulkheadctl_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    for line in ($program __complete -- $words "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':folders'
                __fish_complete_directories "$current"
            case ':commands'
                complete -C "$current"
            case ':nospace'
            case '*'
                echo $line
        end
    end
end
complete -c bulkheadctl -f -a '(__bulkheadctl_complete)'
)sh";

}  // namespace

std::string CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  return shell == "zsh" ? kZsh : kFish;
}

}  // namespace bulkhead::cli
