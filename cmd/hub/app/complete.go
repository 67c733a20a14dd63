package app

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// candidate is a word that may stand where the cursor is.
type candidate struct {
	text  string
	about string
	more  bool // it may go on: no space follows
}

// completion finds what may stand at the cursor. It fails without a word.
type completion struct {
	p     *program
	model *kong.Node // the grammar

	prefix string // what is typed of the word
	found  []candidate
	files  bool
	client *client
	tried  bool
}

// directive is what the shell has to know before the candidates.
func (x *completion) directive() string {
	switch {
	case x.files:
		return "files"
	case slices.ContainsFunc(x.found, func(k candidate) bool { return k.more }):
		return "nospace"
	}
	return ""
}

// add offers a candidate if it begins with what is typed.
func (x *completion) add(text, about string, more bool) {
	if strings.HasPrefix(text, x.prefix) {
		x.found = append(x.found, candidate{text, about, more})
	}
}

// cmdline is a command line as far as it is there.
type cmdline struct {
	command *kong.Node
	args    []string          // positional
	flags   map[string]string // by long name
}

// complete finds what may follow these words; prefix is the beginning of the last.
func (x *completion) complete(words []string, prefix string) {
	x.prefix = prefix
	t := cmdline{command: x.model, flags: make(map[string]string)}
	var open *kong.Flag // waits for its value
	ended := false      // by --
	for _, w := range words {
		switch {
		case open != nil:
			t.flags[open.Name], open = w, nil
		case ended:
			t.args = append(t.args, w)
		case w == "--":
			ended = true
		case strings.HasPrefix(w, "--"):
			name, value, given := strings.Cut(w[2:], "=")
			f := t.flag(func(f *kong.Flag) bool { return f.Name == name })
			if given {
				t.flags[name] = value
			} else if f != nil && !f.IsBool() {
				open = f
			}
		case len(w) > 1 && w[0] == '-' && !negative.MatchString(w):
			f := t.flag(func(f *kong.Flag) bool { return f.Short != 0 && f.Short == rune(w[1]) })
			if f != nil && !f.IsBool() {
				if len(w) > 2 {
					t.flags[f.Name] = w[2:]
				} else {
					open = f
				}
			}
		case len(t.command.Children) > 0:
			i := slices.IndexFunc(t.command.Children, func(n *kong.Node) bool { return n.Name == w })
			if i < 0 {
				return
			}
			t.command = t.command.Children[i]
		default:
			t.args = append(t.args, w)
		}
	}
	t.options(x.p.options)
	flag, value, given := strings.Cut(prefix, "=")
	switch {
	case open != nil:
		x.value(&t, open.Value)
	case !ended && given && strings.HasPrefix(flag, "--"):
		f := t.flag(func(f *kong.Flag) bool { return f.Name == flag[2:] })
		if f == nil || f.IsBool() {
			return
		}
		x.prefix = value
		x.value(&t, f.Value)
		for i := range x.found {
			x.found[i].text = flag + "=" + x.found[i].text
		}
	case !ended && strings.HasPrefix(prefix, "-"):
		for n := t.command; n != nil; n = n.Parent {
			for _, f := range n.Flags {
				if !f.Hidden {
					x.add("--"+f.Name, f.Help, false)
				}
			}
		}
	case len(t.command.Children) > 0:
		for _, c := range t.command.Children {
			if !c.Hidden {
				x.add(c.Name, c.Help, false)
			}
		}
	default:
		list := t.command.Positional
		if len(list) == 0 || len(t.args) >= len(list) && !list[len(list)-1].IsSlice() {
			return
		}
		x.value(&t, list[min(len(t.args), len(list)-1)])
	}
}

// flag finds a flag of the command or of those that it belongs to.
func (t *cmdline) flag(is func(*kong.Flag) bool) *kong.Flag {
	for n := t.command; n != nil; n = n.Parent {
		if i := slices.IndexFunc(n.Flags, is); i >= 0 {
			return n.Flags[i]
		}
	}
	return nil
}

// options says which hub is meant.
func (t *cmdline) options(o *options) {
	for name, to := range map[string]*string{"hub": &o.Hub, "data": &o.Data, "profile": &o.Profile, "jid": &o.JID, "password-file": &o.PasswordFile,
		"to": &o.To, "server": &o.Server, "ca-file": &o.CAFile} {
		*to = cmp.Or(t.flags[name], *to)
	}
}

// value offers what may stand for an argument or behind a flag.
func (x *completion) value(t *cmdline, v *kong.Value) {
	place := ""
	if v.Flag != nil {
		place = v.Flag.PlaceHolder
	}
	command := t.command.Name
	switch name := v.Name; {
	case v.Enum != "":
		for _, e := range strings.Split(v.Enum, ",") {
			x.add(e, "", false)
		}
	case name == "profile", v.Flag == nil && name == "name" && t.command.Parent != nil && t.command.Parent.Name == "profile":
		x.profiles()
	case name == "category":
		for _, k := range slices.Sorted(maps.Keys(categories)) {
			x.add(k, "", false)
		}
	case name == "node", name == "nodes", name == "parent":
		x.nodes()
	case v.Flag == nil && name == "command":
		x.commands(t, command)
	case v.Flag == nil && name == "params" && (command == "do" || command == "query"):
		x.commandParams(t)
	case v.Flag == nil && name == "values" && command == "set":
		x.controls(t)
	case v.Flag == nil && name == "type" && command == "add":
		x.types(t)
	case v.Flag == nil && name == "params" && command == "add":
		x.typeParams(t)
	case v.Flag == nil && name == "params":
		x.properties(t)
	case name == "file", name == "out", name == "config", strings.Contains(place, "FILE"), strings.Contains(place, "DIR"):
		x.files = true
	}
}

func (x *completion) profiles() {
	file, err := profileFile()
	if err != nil {
		return
	}
	all, err := readProfiles(file)
	if err != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x.add(name, all[name].To, false)
	}
}

// hub returns the session with the hub, or nil.
func (x *completion) hub() *client {
	if !x.tried {
		x.tried = true
		x.client, _ = x.p.connect() // no hub, no candidates
	}
	return x.client
}

// end ends the session with the hub.
func (x *completion) end() {
	if x.client != nil {
		x.client.session.Close() // at once: a person waits
		x.client.close()
	}
}

// at is the node that the first argument names.
func (x *completion) at(t *cmdline) (context.Context, *client, nodes.Ref, bool) {
	if len(t.args) == 0 {
		return nil, nil, nodes.Ref{}, false
	}
	return x.named(t.args[0])
}

// named is a node by its name; the root when it has none.
func (x *completion) named(name string) (context.Context, *client, nodes.Ref, bool) {
	s := x.hub()
	if s == nil {
		return nil, nil, nodes.Ref{}, false
	}
	if name == "" {
		return x.p.ctx, s, nodes.In(nodes.RootID), true
	}
	ref, missing, err := s.look(x.p.ctx, name)
	return x.p.ctx, s, ref, err == nil && missing == nil
}

// nodes offers the children of the node before the last slash.
func (x *completion) nodes() {
	above, slash := "", ""
	if at := strings.LastIndexByte(x.prefix, '/'); at >= 0 {
		above, slash = x.prefix[:at], "/"
	}
	ctx, s, ref, ok := x.named(above)
	if !ok {
		return
	}
	list, err := s.nodes.Children(ctx, ref, nodes.Detail{})
	if err != nil {
		return
	}
	parent := false // of others
	for _, i := range list {
		name := above + slash + i.Name
		if strings.Contains(i.Name, "/") {
			name = i.Ref.ID
		}
		had := len(x.found)
		x.add(name, i.Type, false)
		parent = parent || len(x.found) > had && i.HasChildren
	}
	if len(x.found) == 1 && parent { // it, or what is below it
		x.add(x.found[0].text+"/", "", true)
	}
	if len(x.found) == 0 {
		all, err := s.nodes.All(ctx, nodes.DefaultSource, nil, nodes.Detail{})
		if err != nil {
			return
		}
		for _, i := range all {
			x.add(i.Ref.ID, i.Type, false)
		}
	}
}

func (x *completion) commands(t *cmdline, by string) {
	ctx, s, ref, ok := x.at(t)
	if !ok {
		return
	}
	list, err := s.nodes.Commands(ctx, ref)
	if err != nil {
		return
	}
	for _, c := range list {
		if by == "do" && c.Kind == nodes.Query || by == "query" && c.Kind != nodes.Query {
			continue
		}
		x.add(c.ID, c.Title, false)
	}
}

func (x *completion) commandParams(t *cmdline) {
	ctx, s, ref, ok := x.at(t)
	if !ok || len(t.args) < 2 {
		return
	}
	list, err := s.nodes.Commands(ctx, ref)
	if err != nil {
		return
	}
	cmd, err := choose(list, t.args[1], ref)
	if err != nil {
		return
	}
	if f, err := s.commandForm(ctx, ref, cmd); err == nil {
		x.params(f.Params, t.args[2:])
	}
}

func (x *completion) controls(t *cmdline) {
	ctx, s, ref, ok := x.at(t)
	if !ok {
		return
	}
	f, err := s.controls.Form(ctx, ref)
	if err != nil {
		return
	}
	if len(f.Params) == 1 && len(t.args) == 1 { // the value alone will do
		for _, v := range choices(&f.Params[0]) {
			x.add(v, f.Params[0].Label, false)
		}
	}
	x.params(f.Params, t.args[1:])
}

func (x *completion) types(t *cmdline) {
	ctx, s, ref, ok := x.named(t.flags["parent"])
	if !ok {
		return
	}
	list, err := s.nodes.Addable(ctx, ref)
	if err != nil {
		return
	}
	for _, k := range list {
		x.add(k.Name, k.Title, false)
	}
}

func (x *completion) typeParams(t *cmdline) {
	ctx, s, ref, ok := x.named(t.flags["parent"])
	if !ok || len(t.args) < 2 {
		return
	}
	if f, err := s.nodes.NewForm(ctx, ref, t.args[0]); err == nil {
		list := slices.DeleteFunc(f.Params, func(q nodes.Param) bool { return q.ID == "Name" || q.ID == "NodeId" }) // an argument, and --id
		x.params(list, t.args[2:])
	}
}

// properties offers the parameters that a node has.
func (x *completion) properties(t *cmdline) {
	ctx, s, ref, ok := x.at(t)
	if !ok {
		return
	}
	i, err := s.nodes.Node(ctx, ref, nodes.Detail{Properties: true})
	if err != nil {
		return
	}
	for _, q := range i.Properties {
		x.add(q.ID+"=", q.Value.String(), true)
	}
}

// params offers parameters that are not yet there, or the values of one.
func (x *completion) params(list []nodes.Param, given []string) {
	name, _, named := strings.Cut(x.prefix, "=")
	if named {
		q := paramNamed(list, name)
		if q == nil {
			return
		}
		for _, v := range choices(q) {
			x.add(name+"="+v, "", false)
		}
		if path, ok := strings.CutPrefix(x.prefix, name+"=@"); ok {
			x.paths(name+"=@", path)
		}
		return
	}
	for i := range list {
		q := &list[i]
		if slices.ContainsFunc(given, func(g string) bool {
			n, _, _ := strings.Cut(g, "=")
			return strings.EqualFold(n, q.ID)
		}) {
			continue
		}
		x.add(q.ID+"=", param.Wanted(*q), true)
	}
}

// paths offers files whose names begin so; lead stands before them. Where a file name
// is a whole word, the shell does that itself.
func (x *completion) paths(lead, begun string) {
	folder := begun[:strings.LastIndexByte(begun, '/')+1]
	list, err := os.ReadDir(cmp.Or(folder, "."))
	if err != nil {
		return
	}
	for _, e := range list {
		if e.IsDir() {
			x.add(lead+folder+e.Name()+"/", "", true)
		} else {
			x.add(lead+folder+e.Name(), "", false)
		}
	}
}

// choices are the values of a parameter, where they are few.
func choices(q *nodes.Param) []string {
	if q.Kind == nodes.KindBool {
		return []string{"true", "false"}
	}
	var out []string
	for _, o := range q.Options {
		out = append(out, o.Value)
	}
	return out
}
