package app

import "strings"

// word is a word of a command line of a shell.
type word struct {
	text  string // what it means
	raw   string // as it stands there
	quote byte   // that is still open; 0: none
}

// shellWords divides the beginning of a command line: the words before the last,
// and the last, which is empty behind a space. It knows quotes and backslashes, and
// forgets what stands before ; | and &.
func shellWords(line string) (before []word, last word) {
	var text, raw strings.Builder
	var quote byte
	begun := false
	flush := func() {
		if begun {
			before = append(before, word{text: text.String(), raw: raw.String()})
		}
		text.Reset()
		raw.Reset()
		begun = false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			flush()
			continue
		case quote == 0 && (c == ';' || c == '|' || c == '&'):
			flush()
			before = nil
			continue
		}
		begun = true
		raw.WriteByte(c)
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote != '\'':
			if i+1 == len(line) {
				break // nothing yet
			}
			i++
			raw.WriteByte(line[i])
			if quote == '"' && !strings.ContainsRune("\"\\$`\n", rune(line[i])) {
				text.WriteByte(c)
			}
			text.WriteByte(line[i])
		default:
			text.WriteByte(c)
		}
	}
	return before, word{text: text.String(), raw: raw.String(), quote: quote}
}

// completed is a candidate as bash puts it in the place of the word: quoted as the
// word is, and without what stands before the last character at which bash divides
// words, which it leaves alone.
func (w word) completed(candidate, breaks string) string {
	if w.quote == '\'' {
		return strings.ReplaceAll(candidate, "'", `'\''`)
	}
	if w.quote == '"' {
		return escape(candidate, "\"\\$`")
	}
	divided := 0 // bytes of the meaning
	for i := 0; i < len(w.raw); i++ {
		if c := w.raw[i]; c == '\\' || c == '"' || c == '\'' {
			i++ // what is quoted here divides nothing
		} else if strings.IndexByte(breaks, c) >= 0 {
			_, until := shellWords(w.raw[:i+1])
			divided = len(until.text)
			if c == '@' {
				divided-- // it begins the name of a host, and so stays with what follows
			}
		}
	}
	if divided > len(candidate) {
		divided = 0
	}
	return escape(candidate[divided:], " \t\"'\\$`!&|;<>()[]{}*?#~^")
}

// escape puts a backslash before these characters.
func escape(text, characters string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(characters, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
