package gpio

import (
	"embed"
	"fmt"
	"path"
	"strings"
	"sync"
)

// The boards are files of data: the first line, after "# ", is the title; each other
// one is "name = line" as in the parameter Pins.
//
//go:embed boards/*.txt
var boardFiles embed.FS

// board is a board whose header names lines.
type board struct {
	name  string // of the file, without .txt
	title string
	pins  string
}

// boardNames returns the boards, by name.
var boardNames = sync.OnceValue(func() []board {
	var list []board
	files, _ := boardFiles.ReadDir("boards")
	for _, f := range files {
		text, err := boardFiles.ReadFile(path.Join("boards", f.Name()))
		if err != nil {
			continue // cannot be
		}
		title, _, _ := strings.Cut(string(text), "\n")
		list = append(list, board{strings.TrimSuffix(f.Name(), ".txt"), strings.TrimPrefix(title, "# "), string(text)})
	}
	return list
})

// parsePins reads names of lines: "name = line", separated by line ends, commas or
// semicolons; # begins a remark. Names are compared without regard to case.
func parsePins(text string) (map[string]string, error) {
	out := make(map[string]string)
	for n, row := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		row, _, _ = strings.Cut(row, "#")
		for _, entry := range strings.FieldsFunc(row, func(r rune) bool { return r == ',' || r == ';' }) {
			if strings.TrimSpace(entry) == "" {
				continue
			}
			name, line, ok := strings.Cut(entry, "=")
			name, line = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(line)
			switch {
			case !ok || name == "" || line == "":
				return nil, fmt.Errorf("row %d: %q is not of the form name = line", n+1, strings.TrimSpace(entry))
			case out[name] != "":
				return nil, fmt.Errorf("row %d: %s is named twice", n+1, name)
			}
			out[name] = line
		}
	}
	return out, nil
}
