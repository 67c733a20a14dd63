package app

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// paramNamed finds a parameter by its name, in any case unless that is ambiguous.
func paramNamed(list []nodes.Param, name string) *nodes.Param {
	found := -1
	for i := range list {
		switch {
		case list[i].ID == name:
			return &list[i]
		case strings.EqualFold(list[i].ID, name) && found >= 0:
			found = len(list)
		case strings.EqualFold(list[i].ID, name):
			found = i
		}
	}
	if found < 0 || found == len(list) {
		return nil
	}
	return &list[found]
}

// paramNames lists the names of parameters, for messages.
func paramNames(list []nodes.Param) string {
	var names []string
	for i := range list {
		names = append(names, list[i].ID)
	}
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// parseParams reads NAME=VALUE arguments by their descriptions. A value @FILE is
// what is in the file, @@ stands for one @. All that is wrong is told at once.
func parseParams(list []nodes.Param, args []string, of string) (nodes.Params, error) {
	out := make(nodes.Params)
	var wrong []string
	for _, text := range args {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("%q: write a parameter as NAME=VALUE", text)}
		}
		p := paramNamed(list, name)
		switch {
		case p == nil && len(list) == 0:
			wrong = append(wrong, fmt.Sprintf("%s takes no parameters", of))
			continue
		case p == nil:
			wrong = append(wrong, fmt.Sprintf("%s has no parameter %s; there are: %s", of, name, paramNames(list)))
			continue
		case !out[p.ID].IsZero():
			wrong = append(wrong, p.ID+" is there twice")
			continue
		}
		value, err := fileValue(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.ID, err)
		}
		v, err := param.Parse(*p, value)
		if err != nil {
			wrong = append(wrong, p.ID+": "+err.Error())
			continue
		}
		if !v.IsZero() {
			out[p.ID] = v
		}
	}
	if len(wrong) > 0 {
		return nil, usageError{errors.New(strings.Join(wrong, "\n     "))}
	}
	return out, nil
}

// fileValue is a value from the command line, or what is in the file that it names.
func fileValue(value string) (string, error) {
	file, ok := strings.CutPrefix(value, "@")
	if !ok || strings.HasPrefix(file, "@") {
		return file, nil
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return "", err
	case info.Size() > param.MaxText:
		return "", fmt.Errorf("%s has %d bytes; a parameter takes at most %d: divide the file", file, info.Size(), param.MaxText)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // as spreadsheets write it
	if !utf8.Valid(b) {
		line := 1
		for rest := b; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n <= 1 {
				break
			}
			if r == '\n' {
				line++
			}
			rest = rest[n:]
		}
		return "", fmt.Errorf("%s:%d: not UTF-8; save the file in the encoding UTF-8", file, line)
	}
	return string(b), nil
}

// wrongFields words an error that tells what is wrong with parameters; others it
// returns.
func wrongFields(err error) error {
	var e *nodes.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	var text []string
	for _, id := range slices.Sorted(maps.Keys(e.Fields)) {
		text = append(text, id+": "+e.Fields[id])
	}
	return errors.New(strings.Join(text, "\n     "))
}

// defaults are the parameters of a form with their values, in a line.
func defaults(list []nodes.Param, values nodes.Params) string {
	var out []string
	for i := range list {
		p := &list[i]
		text := param.Format(*p, values[p.ID])
		switch {
		case text != "":
			out = append(out, p.ID+"="+text)
		case p.Required:
			out = append(out, p.ID+"=(required)")
		default:
			out = append(out, p.ID)
		}
	}
	return strings.Join(out, " ")
}
