// Package strict reads YAML so that a person can be told exactly what is wrong:
// every value knows its line, every unknown or repeated key is a problem, and all
// problems are collected before the document is refused. It knows nothing of what
// the documents mean. Anchors, aliases, tags and several documents in one file
// are refused.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// MaxSize is how large a document may be, in bytes.
const MaxSize = 16 << 20

// maxDepth is how deep values may be nested.
const maxDepth = 200

// Problem is one thing that is wrong.
type Problem struct {
	Line, Column int // from 1
	Text         string
}

// Problems are all things wrong with a document; it is an error.
type Problems struct {
	File  string
	List  []Problem
	lines []string
}

// Error returns a line per problem, "file:line:column: text", each followed by the
// line concerned.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, x := range p.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, x.Line, x.Column, x.Text)
		if x.Line >= 1 && x.Line <= len(p.lines) {
			if line := strings.TrimRight(p.lines[x.Line-1], "\r"); len(line) < 200 {
				fmt.Fprintf(&b, "\n    %s", shown(line))
			}
		}
	}
	return b.String()
}

// Document collects the problems of one file.
type Document struct {
	problems Problems
	seen     map[Problem]bool
}

// Value is a value at its place. The zero Value is absent; asking it for anything
// gives nothing and adds no problem.
type Value struct {
	doc          *Document
	node         ast.Node
	line, column int
	depth        int
}

// Parse reads a document. Its errors are of type *Problems.
func Parse(file string, b []byte) (*Document, Value, error) {
	d := &Document{problems: Problems{File: file, lines: strings.Split(string(b), "\n")}, seen: make(map[Problem]bool)}
	fail := func(line, column int, text string) (*Document, Value, error) {
		d.add(line, column, text)
		return nil, Value{}, d.Err()
	}
	if len(b) > MaxSize {
		return fail(1, 1, fmt.Sprintf("the file has %d bytes; at most %d can be read", len(b), MaxSize))
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // some editors begin a file with it
	if line, column, text := unreadable(b); text != "" {
		return fail(line, column, text)
	}
	f, err := parse(b)
	if err != nil {
		line, column, text := position(err)
		return fail(line, column, text)
	}
	var bodies []ast.Node
	for _, doc := range f.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		return d, Value{doc: d, line: 1, column: 1}, nil
	}
	if len(bodies) > 1 {
		return fail(bodies[1].GetToken().Position.Line, 1, "a second document begins here; write one document a file")
	}
	return d, d.value(bodies[0], 0), nil
}

// parse turns a panic of the parser into an error. What is nested too deep never
// reaches the parser: its time grows with the square of the depth.
func parse(b []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, errors.New("this is not YAML")
		}
	}()
	tokens := lexer.Tokenize(string(b))
	if at := tooDeep(tokens); at != nil {
		return nil, fmt.Errorf("[%d:%d] values are nested more than %d deep", at.Position.Line, at.Position.Column, maxDepth)
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

var place = regexp.MustCompile(`^\[(\d+):(\d+)\] (.*)`)

// position takes line and column out of the parser's message.
func position(err error) (line, column int, text string) {
	first, _, _ := strings.Cut(err.Error(), "\n")
	if m := place.FindStringSubmatch(first); m != nil {
		line, _ = strconv.Atoi(m[1])
		column, _ = strconv.Atoi(m[2])
		return line, column, "this is not YAML: " + m[3]
	}
	return 1, 1, "this is not YAML: " + first
}

func (d *Document) value(n ast.Node, depth int) Value {
	v := Value{doc: d, node: n, line: 1, column: 1, depth: depth}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p := n.GetToken().Position
		v.line, v.column = p.Line, p.Column
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		key := m.Values[0].Key.GetToken().Position
		v.line, v.column = key.Line, key.Column
	}
	return v
}

func (d *Document) add(line, column int, text string) {
	p := Problem{line, column, text}
	if !d.seen[p] {
		d.seen[p] = true
		d.problems.List = append(d.problems.List, p)
	}
}

// Err returns all problems so far by line, or nil.
func (d *Document) Err() error {
	if len(d.problems.List) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems.List, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &d.problems
}

// Present tells whether there is a value.
func (v Value) Present() bool { return v.node != nil && v.node.Type() != ast.NullType }

// Problem adds a problem at the value's place.
func (v Value) Problem(format string, args ...any) {
	if v.doc != nil {
		v.doc.add(v.line, v.column, fmt.Sprintf(format, args...))
	}
}

// Hide keeps a scalar, which is a secret, out of the lines that problems show.
func (v Value) Hide() {
	if v.doc == nil || v.node == nil {
		return
	}
	lines := v.doc.problems.lines
	pieces := strings.Split(strings.TrimRight(v.node.GetToken().Value, "\n"), "\n")
	for i := v.line - 1; i >= 0 && i <= v.line+len(pieces) && i < len(lines); i++ {
		for _, piece := range pieces {
			if piece = strings.TrimSpace(piece); piece != "" && strings.Contains(lines[i], piece) {
				lines[i] = strings.ReplaceAll(lines[i], piece, "…")
			}
		}
		if i == v.line-1 && len(pieces) == 1 && !strings.Contains(lines[i], "…") {
			lines[i] = "…" // written in another way than it is read
		}
	}
}

// Place is the value without what it holds: for problems only. A large document is freed
// while places in it are kept.
func (v Value) Place() Value {
	v.node = nil
	return v
}

// Line is the line in which the value begins, from 1.
func (v Value) Line() int { return v.line }

// Entry is a key with its value.
type Entry struct {
	Key      string
	Position Value // of the key, for problems
	Value    Value
}

// Entries returns the entries of a mapping in order; every repeated key is a
// problem, and so is a value that is no mapping.
func (v Value) Entries(what string) []Entry {
	if !v.Present() || !v.shallow() {
		return nil
	}
	var list []*ast.MappingValueNode
	switch n := v.node.(type) {
	case *ast.MappingNode:
		list = n.Values
	case *ast.MappingValueNode:
		list = []*ast.MappingValueNode{n}
	default:
		v.Problem("%s must be a mapping of keys to values", what)
		return nil
	}
	out := make([]Entry, 0, len(list))
	first := make(map[string]int)
	for _, kv := range list {
		key := v.doc.value(kv.Key, v.depth+1)
		name, ok := scalar(kv.Key)
		if !ok {
			key.Problem("a key must be a plain word")
			continue
		}
		if line := first[name]; line > 0 {
			key.Problem("key %q stands in line %d already; leave one of them away", name, line)
			continue
		}
		first[name] = key.line
		e := Entry{name, key, v.doc.value(kv.Value, v.depth+1)}
		if !e.Value.Present() {
			e.Value.line, e.Value.column = key.line, key.column
		}
		out = append(out, e)
	}
	return out
}

// Fields returns the values of a mapping by key; a key that is not among the known
// ones is a problem.
func (v Value) Fields(what string, known ...string) map[string]Value {
	m := make(map[string]Value)
	for _, e := range v.Entries(what) {
		if !slices.Contains(known, e.Key) {
			e.Position.Problem("unknown key %q in %s; there are: %s", e.Key, what, strings.Join(known, ", "))
			continue
		}
		m[e.Key] = e.Value
	}
	return m
}

// List returns the items of a sequence; a value that is none is a problem.
func (v Value) List(what string) []Value {
	if !v.Present() || !v.shallow() {
		return nil
	}
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		v.Problem("%s must be a list, each item after a dash or within [ ]", what)
		return nil
	}
	out := make([]Value, 0, len(n.Values))
	for _, item := range n.Values {
		out = append(out, v.doc.value(item, v.depth+1))
	}
	return out
}

// Text returns a scalar as it is written, without quotes; a value that is none is a
// problem.
func (v Value) Text(what string) string {
	if !v.Present() {
		return ""
	}
	s, ok := scalar(v.node)
	if !ok {
		v.Problem("%s must be a single value", what)
	}
	return s
}

func (v Value) shallow() bool {
	if v.depth > maxDepth {
		v.Problem("values are nested more than %d deep", maxDepth)
		return false
	}
	return true
}

func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
