package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func TestReport(t *testing.T) {
	units := nodes.Table{ID: "u", Columns: []nodes.Column{{ID: "Unit", Align: nodes.AlignRight}, {ID: "Vendor", Align: nodes.AlignCenter}}}
	row := func(table string, cells ...nodes.Value) nodes.Rows {
		return nodes.Rows{Table: table, Rows: [][]nodes.Value{cells}}
	}
	file := nodes.Object{ContentType: "text/csv", Name: "list.csv", Data: []byte("a\tb\r\n1\x1b2\n")}
	picture := nodes.Object{ContentType: "image/png", Data: []byte{0x89, 'P', 'N', 'G'}}
	for _, tt := range []struct {
		name     string
		terminal bool
		found    []nodes.Finding
		out, err string
	}{
		{"nothing", false, nil, "", ""},
		{"a title alone", false, []nodes.Finding{nodes.QueryTitle("Scan\n\x1b[2J")}, "Scan  [2J\n", ""},
		{"rows widen what follows", false, []nodes.Finding{units, row("u", nodes.Int32(7), nodes.String("x")), row("u", nodes.Int32(12345), nodes.String("longer one")),
			row("u", nodes.Int32(8), nodes.Value{}), nodes.TableEnd("u")},
			"UNIT  VENDOR\n   7    x\n12345  longer one\n    8\n", ""},
		{"tables in turn", false, []nodes.Finding{units, nodes.Table{ID: "b", Name: "Bauds", Columns: []nodes.Column{{ID: "Baud"}}},
			row("u", nodes.Int32(1)), row("b", nodes.Int32(9600)), row("u", nodes.Int32(2)), nodes.TableEnd("u"), nodes.TableEnd("b")},
			"UNIT  VENDOR\n   1\n\nBauds\nBAUD\n9600\n\nUNIT  VENDOR\n   2\n", ""},
		{"empty sections are left out", false, []nodes.Finding{nodes.QueryTitle("T"), nodes.Section("A"), nodes.SectionEnd{}, nodes.Section("B"), nodes.Section("C"),
			units, nodes.TableEnd("u"), nodes.SectionEnd{}, nodes.SectionEnd{}, nodes.SectionEnd{}},
			"T\n\n# B\n\n## C\n\nUNIT  VENDOR\n(none)\n", ""},
		{"more cells than columns, rows of no table", false, []nodes.Finding{units, row("u", nodes.Int32(1), nodes.String("a"), nodes.Bool(true)), row("x", nodes.Int32(1))},
			"UNIT  VENDOR\n   1    a     true\n", ""},
		{"remarks", false, []nodes.Finding{nodes.QueryStatus("1 of 2"), nodes.Remark{Text: "so"}, nodes.Remark{Severity: nodes.SeverityError, Text: "bad\x1b"}}, "", "so\nerror: bad \n"},
		{"a file alone", false, []nodes.Finding{nodes.QueryTitle("T"), nodes.Section("list.csv"), file, nodes.SectionEnd{}}, string(file.Data), ""},
		{"a file alone on a terminal", true, []nodes.Finding{file}, "a b\n1 2\n", ""},
		{"a picture alone", false, []nodes.Finding{picture}, string(picture.Data), ""},
		{"a picture on a terminal", true, []nodes.Finding{picture}, "", "warning: a file (image/png), 4 bytes, was left out; name a file with --out\n"},
		{"two files", false, []nodes.Finding{file, picture}, "", "warning: a file (image/png) was left out; name a folder with --out\nwarning: list.csv (text/csv), 9 bytes, was left out; name a file with --out\n"},
		{"a file and a table", false, []nodes.Finding{file, units, row("u", nodes.Int32(1))}, "UNIT  VENDOR\n   1\n", "warning: list.csv (text/csv), 9 bytes, was left out; name a file with --out\n"},
		{"the status on a terminal", true, []nodes.Finding{nodes.QueryStatus("1 of 2"), units, row("u", nodes.Int32(1)), nodes.QueryStatus("2 of 2")},
			"UNIT  VENDOR\n   1\n", "\r\x1b[K1 of 2\r\x1b[K1 of 2\r\x1b[K2 of 2\r\x1b[K"},
	} {
		var out, errs bytes.Buffer
		r := newReport(&program{out: &out, err: &errs}, &destination{})
		r.screen, r.plain = tt.terminal, !tt.terminal
		for _, f := range tt.found {
			if err := r.put(f); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if err := r.end(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if out.String() != tt.out || errs.String() != tt.err {
			t.Errorf("%s: got\n%s\nand %q, want\n%s\nand %q", tt.name, out.String(), errs.String(), tt.out, tt.err)
		}
	}
}

// TestDestination: no name of a hub leads out of the folder.
func TestDestination(t *testing.T) {
	dir := t.TempDir()
	d := &destination{path: dir}
	for _, tt := range []struct{ name, want string }{
		{"a.csv", "a.csv"}, {"../../b.csv", "b.csv"}, {"/etc/c.csv", "c.csv"}, {"", "object-4"}, {"..", "object-5"}, {"/", "object-6"},
	} {
		got, err := d.write(&nodes.Object{Name: tt.name, Data: []byte(tt.name)})
		if want := filepath.Join(dir, tt.want); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", tt.name, got, err, want)
		}
	}
	d = &destination{path: filepath.Join(dir, "one")}
	if _, err := d.write(&nodes.Object{Name: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := d.write(&nodes.Object{Name: "y"}); err == nil {
		t.Error("a second file in the place of the first")
	}
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		typed string
		yes   bool
	}{{"y\n", true}, {" Yes \n", true}, {"n\n", false}, {"\n", false}, {"", false}, {"y", true}} {
		err := answer(strings.NewReader(tt.typed), io.Discard)
		if (err == nil) != tt.yes || err != nil && !errors.Is(err, errDeclined) {
			t.Errorf("%q: %v", tt.typed, err)
		}
	}
	for text, want := range map[string]string{"Do it": "Do it.", "Do it? ": "Do it?", "": "", "Sure!": "Sure!"} {
		if got := ended(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestTyped: Ctrl-C ends the wait for an answer.
func TestTyped(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if typed(ctx, r) {
		t.Error("typed, but nothing was")
	}
	if _, err := w.WriteString("y\n"); err != nil {
		t.Fatal(err)
	}
	if !typed(t.Context(), r) {
		t.Error("not typed")
	}
}

func TestFileValue(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ value, want, err string }{
		{"plain", "plain", ""},
		{"", "", ""},
		{"@@home", "@home", ""},
		{"@" + write("list.csv", "a;b\r\n"), "a;b\r\n", ""},
		{"@" + write("bom.csv", "\ufeffä;b\n"), "ä;b\n", ""},
		{"@" + write("latin.csv", "a\nb\ncaf\xe9\n"), "", "latin.csv:3: not UTF-8"},
		{"@" + write("long.csv", strings.Repeat("x", 64<<10+1)), "", "65537 bytes"},
		{"@" + filepath.Join(dir, "nowhere"), "", "no such file"},
	} {
		got, err := fileValue(tt.value)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %v, want %q, %q", tt.value, got, err, tt.want, tt.err)
		}
	}
}

func TestNegatives(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"set a -5", "set a -- -5"},
		{"--json set a -.5 --hub x", "--json set a --hub x -- -.5"},
		{"set a -- -5", "set a -- -5"},
		{"set a b=-5 --json", "set a b=-5 --json"},
		{"watch -n 3", "watch -n 3"},
		{"sniff a -5", "sniff a -5"},
	} {
		if got := strings.Join(negatives(strings.Fields(tt.args)), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	if got := negatives([]string{"ls"}); !slices.Equal(got, []string{"ls"}) {
		t.Error(got)
	}
}

func TestParamNamed(t *testing.T) {
	list := []nodes.Param{{ID: "On"}, {ID: "on"}, {ID: "Speed"}}
	for name, want := range map[string]string{"On": "On", "on": "on", "ON": "", "speed": "Speed", "x": ""} {
		got := ""
		if p := paramNamed(list, name); p != nil {
			got = p.ID
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
