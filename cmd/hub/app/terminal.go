package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// isTerminal tells whether a person looks at it, or types into it.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok || file.Name() == os.DevNull {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), getTermios)
	return err == nil
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
	fmt.Fprintf(p.err, "%s [y/N] ", ended(clean(text)))
	if !typed(p.ctx, os.Stdin) {
		fmt.Fprintln(p.err)
		return errInterrupted
	}
	return answer(os.Stdin, p.err)
}

// typed waits until there is something to read; false when Ctrl-C came before.
func typed(ctx context.Context, f *os.File) bool {
	for ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}, 100)
		if n > 0 || err != nil && err != unix.EINTR {
			return true // or the end of it, which reading tells
		}
	}
	return false
}

// answer reads whether a person says yes.
func answer(in io.Reader, out io.Writer) error {
	text, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(out)
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
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

// quietTerminal takes properties (bits of c_lflag, termios(3)) from a terminal and
// returns what gives them back.
func quietTerminal(f *os.File, flags uint32) (restore func()) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return func() {}
	}
	quiet := *before
	without(&quiet.Lflag, flags)
	quiet.Cc[unix.VSUSP] = 0 // not to be left half-way by Ctrl-Z
	if err := unix.IoctlSetTermios(fd, setTermios, &quiet); err != nil {
		return func() {}
	}
	return func() {
		unix.IoctlSetTermios(fd, setTermios, before) // it has worked before
	}
}

// without takes flags away; systems differ in how wide they are.
func without[T uint32 | uint64](from *T, flags uint32) { *from &^= T(flags) }
