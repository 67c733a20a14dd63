package app

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
)

// style is how a text stands out on a terminal: parameters of SGR (ECMA-48, 8.3.117).
type style string

const (
	plainStyle style = ""
	bold       style = "1"
	dim        style = "2"
	red        style = "31"
	green      style = "32"
	yellow     style = "33"
)

// paint gives a text its style.
func (s style) paint(text string) string {
	if s == plainStyle || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

// coloured tells whether styles are wanted: on a terminal that knows them, unless
// NO_COLOR says something (no-color.org).
func coloured(out any) bool {
	term := os.Getenv("TERM")
	return os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb" && isTerminal(out)
}

// cell is a text in a table.
type cell struct {
	text  string
	style style
}

// table prints columns when all rows are there. The zero table takes none.
type table struct{ grid *columns }

type columns struct {
	out      io.Writer
	coloured bool
	rows     [][]cell
}

func newTable(out io.Writer, header ...string) table {
	t := table{&columns{out: out, coloured: coloured(out)}}
	list := make([]cell, len(header))
	for i, h := range header {
		list[i].text = h
		if h == strings.ToUpper(h) {
			list[i].style = bold
		}
	}
	t.cells(list...)
	return t
}

// row adds a row of plain texts.
func (t table) row(texts ...string) {
	list := make([]cell, len(texts))
	for i, x := range texts {
		list[i].text = x
	}
	t.cells(list...)
}

// cells adds a row.
func (t table) cells(list ...cell) {
	for i := range list {
		list[i].text = oneLine(list[i].text)
	}
	for len(list) > 0 && list[len(list)-1].text == "" {
		list = list[:len(list)-1]
	}
	t.grid.rows = append(t.grid.rows, list)
}

// end prints the table.
func (t table) end() error {
	var b strings.Builder
	for _, l := range aligned(t.grid.rows, t.grid.coloured, 0) {
		b.WriteString(l + "\n")
	}
	_, err := io.WriteString(t.grid.out, b.String())
	return err
}

// aligned makes lines of rows. What is behind the last cell of a row widens no
// column. Lines are cut at most characters; 0: never.
func aligned(rows [][]cell, coloured bool, most int) []string {
	var widths []int
	for _, row := range rows {
		for i := 0; i < len(row)-1; i++ {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	out := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		used := 0
		for i, c := range row {
			text := c.text
			if long := utf8.RuneCountInString(text); most > 0 && used+long > most {
				text = string([]rune(text)[:max(most-used, 0)])
			}
			shown := text
			if coloured {
				shown = c.style.paint(text)
			}
			b.WriteString(shown)
			if i == len(row)-1 {
				break
			}
			gap := widths[i] + 2 - utf8.RuneCountInString(text)
			b.WriteString(strings.Repeat(" ", gap))
			used += widths[i] + 2
			if most > 0 && used >= most {
				break
			}
		}
		out[n] = strings.TrimRight(b.String(), " ")
	}
	return out
}

// stateCell is a state in its colour.
func stateCell(s nodes.State) cell {
	c := cell{s.String(), green}
	switch {
	case s >= nodes.StateErrorSigned:
		c.style = red
	case s >= nodes.StateWarning:
		c.style = yellow
	case s != nodes.StateNone:
		c.style = plainStyle
	}
	return c
}

var severityStyles = [...]style{nodes.SeverityInformation: plainStyle, nodes.SeverityWarning: yellow, nodes.SeverityError: red}

const (
	// useless are the flags of a value that is not to be relied on.
	useless = nodes.Missing | nodes.Erroneous | nodes.PowerFailure
	// doubtful are those of one that was not read as it should be.
	doubtful = nodes.Warning | nodes.TimeOffset | nodes.InProgress | nodes.AutomaticEstimate | nodes.ManualEstimate
)

// isGood tells whether a value was read as it should be.
func isGood(q nodes.QoS) bool { return q&(useless|doubtful) == 0 }

// qualityCell is the quality of a value in its colour.
func qualityCell(q nodes.QoS) cell {
	c := cell{quality(q), green}
	switch {
	case q&useless != 0:
		c.style = red
	case q&doubtful != 0:
		c.style = yellow
	}
	return c
}
