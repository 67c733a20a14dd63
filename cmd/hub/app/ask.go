package app

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// questions are asked on the terminal, one after the other.
type questions struct {
	p  *program
	in *bufio.Reader
}

func (p *program) questions() *questions { return &questions{p: p, in: bufio.NewReader(os.Stdin)} }

// mayAsk tells whether a person is there to answer.
func (p *program) mayAsk() bool { return !p.options.JSON && isTerminal(os.Stdin) }

// line reads a line, which the terminal does not show when it is secret. It returns
// errInterrupted after Ctrl-C and errDeclined after Ctrl-D.
func (q *questions) line(secret bool) (string, error) {
	if secret {
		defer fmt.Fprintln(q.p.err)
		defer quietTerminal(os.Stdin, unix.ECHO)()
	}
	if q.in.Buffered() == 0 && !typed(q.p.ctx, os.Stdin) {
		fmt.Fprintln(q.p.err)
		return "", errInterrupted
	}
	text, err := q.in.ReadString('\n')
	if err != nil {
		fmt.Fprintln(q.p.err)
		return "", errDeclined
	}
	return strings.TrimSpace(text), nil
}

// param asks for a parameter until set takes what is written. Nothing written keeps
// what is in brackets, and changed is false. "-" is handed to set as an empty text.
func (q *questions) param(x *nodes.Param, shown string, set func(text string) error) (changed bool, err error) {
	fmt.Fprintln(q.p.err, clean(x.ID+": "+cmp.Or(x.Description, x.Label)+takes(x)))
	for {
		fmt.Fprint(q.p.err, clean("  ["+shown+"] "))
		text, err := q.line(x.Secret)
		if err != nil {
			return false, err
		}
		if text == "" && (shown != "" || !x.Required) {
			return false, nil
		}
		if text == "-" {
			text = ""
		}
		if err := set(text); err != nil {
			fmt.Fprintln(q.p.err, clean("  "+err.Error()))
			continue
		}
		return true, nil
	}
}

// takes lists what may be chosen.
func takes(x *nodes.Param) string {
	if len(x.Options) == 0 {
		return ""
	}
	return " (" + param.Wanted(*x) + ")"
}

// complete asks for what is required and neither given nor in the form; with all, for
// everything that is not given.
func (p *program) complete(title string, list []nodes.Param, present, given nodes.Params, all bool) error {
	q := p.questions()
	for i := range list {
		x := &list[i]
		if x.ReadOnly || x.Multi || !given[x.ID].IsZero() || !all && (!x.Required || !present[x.ID].IsZero()) {
			continue
		}
		if title != "" {
			fmt.Fprintf(p.err, "%s. Enter takes what is in brackets, Ctrl-C does nothing.\n", clean(strings.TrimRight(title, ".")))
			title = ""
		}
		shown := param.Format(*x, present[x.ID])
		if x.Secret && shown != "" {
			shown = "a secret"
		}
		_, err := q.param(x, shown, func(text string) error {
			v, err := param.Parse(*x, text)
			if err == nil && v.IsZero() && x.Required {
				err = errors.New("is required")
			}
			if err == nil && !v.IsZero() {
				given[x.ID] = v
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// merged is what is there, with what is given in its place.
func merged(present, given nodes.Params) nodes.Params {
	all := make(nodes.Params, len(present)+len(given))
	maps.Copy(all, present)
	maps.Copy(all, given)
	return all
}
