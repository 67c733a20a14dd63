package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// isTerminal tells whether a person looks at it, or types into it.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok || file.Name() == os.DevNull {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// errDeclined is that a person said no.
var errDeclined = errors.New("nothing was done")

// confirm asks the person at the terminal; yes spares the question.
func (p *program) confirm(text string, yes bool) error {
	switch {
	case text == "" || yes:
		return nil
	case !isTerminal(os.Stdin):
		return fmt.Errorf("%s Nothing was done: add --yes to say so", ended(clean(text)))
	}
	return ask(os.Stdin, p.err, text)
}

func ask(in io.Reader, out io.Writer, text string) error {
	fmt.Fprintf(out, "%s [y/N] ", ended(clean(text)))
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(out)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

// ended is a text that ends like a sentence.
func ended(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".?!:") {
		return text
	}
	return text + "."
}
