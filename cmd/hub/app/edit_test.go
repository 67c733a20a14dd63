package app

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

var editable = nodes.Form{
	Params: []nodes.Param{
		{ID: "NodeId", Kind: nodes.KindString}, {ID: "Name", Kind: nodes.KindString},
		{ID: "Port", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(65535)},
		{ID: "Order", Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "ABCD"}, {Value: "CDAB"}}},
		{ID: "Note", Kind: nodes.KindString},
		{ID: "Password", Kind: nodes.KindString, Secret: true}, {ID: "Password.clear", Kind: nodes.KindBool},
		{ID: "Key", Kind: nodes.KindString, Secret: true},
		{ID: "Serial", Kind: nodes.KindString, ReadOnly: true},
	},
	Values: nodes.Params{"NodeId": nodes.String("line"), "Name": nodes.String("Line"), "Port": nodes.Int32(502)},
	Differ: map[string]bool{"Note": true},
}

// What arguments change, or what is wrong with them.
func TestEditArguments(t *testing.T) {
	for _, c := range []struct {
		args, clear []string
		want        nodes.Edit
		wrong       string // what the error holds, separated by "|"
	}{
		{args: []string{"port=503", "ORDER=CDAB"}, want: nodes.Edit{Params: nodes.Params{"Port": nodes.Int32(503), "Order": nodes.Enum("CDAB", "Order")}}},
		{args: []string{"Port=", "Note=a=b"}, want: nodes.Edit{Params: nodes.Params{"Port": {}, "Note": nodes.String("a=b")}}},
		{args: []string{"NodeId=west 1", "Name=West"}, want: nodes.Edit{ID: "west 1", Name: "West", Params: nodes.Params{}}},
		{args: []string{"Password=@@x"}, want: nodes.Edit{Params: nodes.Params{"Password": nodes.String("@x")}}},
		{clear: []string{"password", "Port"}, want: nodes.Edit{Params: nodes.Params{"Password.clear": nodes.Bool(true), "Port": {}}}},
		{args: []string{"Port"}, wrong: "write a parameter as ID=VALUE"},
		{args: []string{"Port=0", "Prot=1", "Serial=7", "Name="}, wrong: "Port: 0 is out of range|no parameter Prot here|Serial: cannot be changed|Name: cannot be empty"},
		{args: []string{"Port=1", "port=2"}, wrong: "Port: is there twice"},
		{args: []string{"Password="}, wrong: "--clear takes it away"},
		{args: []string{"Note="}, wrong: "Note: the nodes have different ones"},
		{args: []string{"Password=x"}, clear: []string{"Password"}, wrong: "set and taken away at once"},
		{clear: []string{"Key"}, wrong: "Key: is required"},
		{clear: []string{"NodeId", "Other"}, wrong: "NodeId: cannot be empty|no parameter Other here"},
	} {
		got, err := (&editCmd{Params: c.args, Clear: c.clear}).edit(&editable)
		switch {
		case c.wrong != "":
			for _, want := range strings.Split(c.wrong, "|") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q, clear %q: got %v, want %s", c.args, c.clear, err, want)
				}
			}
			if !errors.As(err, new(usageError)) {
				t.Errorf("%q, clear %q: %v is no usage error", c.args, c.clear, err)
			}
		case err != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("%q, clear %q: got %+v, %v, want %+v", c.args, c.clear, got, err, c.want)
		}
	}
}

// A person at a terminal is asked for one parameter after the other, and what is wrong
// again; nothing is changed before the end.
func TestEditOnTerminal(t *testing.T) {
	dir := own(t)
	demo := begin(t, dir, nil, "demo", "--quiet")
	soon(t, "the demo", func() bool { return strings.Contains(demo.printed(), "Ctrl-C ends") })
	env := []string{"XDG_RUNTIME_DIR=" + dir, "TMPDIR=" + dir}

	show := func() string {
		cmd := exec.Command(linked(t), "show", "plant")
		cmd.Env = append(os.Environ(), append(env, "HUB_DATA=", "HUB_OWNER=")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("show: %v: %s", err, out)
		}
		return string(out)
	}
	before := show()
	for _, c := range []struct {
		name    string
		answers map[string][]string // by parameter; Enter where there are none left
		last    string              // to the question whether to change it
		want    []string            // of what is said
		code    int
	}{
		{"Enter all the way", nil, "", []string{"nothing was done"}, exitFailed},
		{"changed one's mind", map[string][]string{"Name": {"Cabinet"}}, "\n", []string{"Change Name? [y/N]", "nothing was done"}, exitFailed},
		{"Ctrl-C", map[string][]string{"Name": {"Cabinet"}, "Host": {"\x03"}}, "", []string{"interrupted"}, exitFailed},
		{"Ctrl-D", map[string][]string{"Name": {"\x04"}}, "", []string{"nothing was done"}, exitFailed},
		{"done", map[string][]string{"Name": {"Cabinet"}, "Timeout": {"soon", "7s"}, "NodeId": {"-"}}, "y\n",
			[]string{`"soon": write`, "cannot be empty", "Change Name, Timeout? [y/N]", "changed plant"}, exitOK},
	} {
		x := onTerminal(t, 120, 200, env, "edit", "plant")
		code := x.fill(t, c.answers, c.last)
		for _, want := range c.want { // the last of it may still be on its way from the terminal
			soon(t, c.name+": "+want, func() bool { _, all := x.sees(); return strings.Contains(all, want) })
		}
		_, all := x.sees()
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s", c.name, code, c.code, all)
		}
		if got := show(); code != exitOK && got != before {
			t.Errorf("%s: it was changed:\n%s", c.name, got)
		} else if code == exitOK && !(strings.Contains(got, "Cabinet") && strings.Contains(got, "7s")) {
			t.Errorf("%s: it was not changed:\n%s", c.name, got)
		}
	}
}

// asked is a question of hub edit: the name of the parameter stands in the line before,
// but for one that is asked again.
var asked = regexp.MustCompile(`(?:\r\n(\w+): [^\r\n]*)?\r\n  \[[^\]]*\] `)

// fill answers the questions of hub edit until it ends, and returns its exit code.
func (x *terminal) fill(t *testing.T, answers map[string][]string, last string) int {
	t.Helper()
	left := maps.Clone(answers)
	ended := make(chan struct{})
	go func() {
		_ = x.Wait() // the exit code tells
		close(ended)
	}()
	done, confirmed, id := 0, false, ""
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			return x.ProcessState.ExitCode()
		default:
		}
		_, all := x.sees()
		if time.Now().After(until) {
			t.Fatalf("it has not ended:\n%s", all)
		}
		if strings.Contains(all, "[y/N] ") && !confirmed {
			x.press(t, last)
			confirmed = true
		}
		questions := asked.FindAllStringSubmatch(all, -1)
		if len(questions) <= done {
			continue
		}
		if name := questions[done][1]; name != "" {
			id = name
		}
		done++
		text := "\n"
		if list := left[id]; len(list) > 0 {
			if text, left[id] = list[0], list[1:]; text >= " " {
				text += "\n"
			}
		}
		x.press(t, text)
	}
}

// edits changes nodes from the broker, alone and together, and leaves them as they were.
func (who *person) edits(t *testing.T) {
	ctx := t.Context()
	tank, pump := nodes.In("plant/tank"), nodes.In("plant/pump")
	both := []nodes.Ref{tank, pump}
	f, err := who.nodes.EditForm(ctx, []nodes.Ref{tank})
	if err != nil || f.Values["Name"] != nodes.String("tank") || f.Values["UnitId"] != nodes.Int32(1) {
		t.Fatalf("got %+v, %v", f.Values, err)
	}
	info, err := who.nodes.Edit(ctx, tank, nodes.Edit{ID: "vessel", Name: "Vessel <1>", Params: nodes.Params{"Timeout": nodes.Duration(0, 2*time.Second)}})
	if err != nil || info.Ref != nodes.In("vessel") || info.Name != "Vessel <1>" {
		t.Fatalf("got %+v, %v", info, err)
	}
	if list, err := who.nodes.Children(ctx, info.Ref, nodes.Detail{}); err != nil || len(list) != 6 {
		t.Errorf("%d children under the new id, %v", len(list), err)
	}
	var wrong *nodes.Error
	if _, err := who.nodes.Edit(ctx, info.Ref, nodes.Edit{Name: "pump", Params: nodes.Params{"UnitId": nodes.Int32(2)}}); !errors.As(err, &wrong) || wrong.Fields["Name"] == "" {
		t.Errorf("the name of a sibling: %v", err)
	}
	if _, err = who.nodes.Edit(ctx, info.Ref, nodes.Edit{ID: "plant/tank", Name: "tank", Params: nodes.Params{"Timeout": {}}}); err != nil {
		t.Fatal(err)
	}
	if err := who.nodes.EditAll(ctx, both, nodes.Edit{Params: nodes.Params{"MaxHole": nodes.Int32(4)}}); err != nil {
		t.Error(err)
	}
	if f, err = who.nodes.EditForm(ctx, both); err != nil || f.Values["MaxHole"] != nodes.Int32(4) || !f.Differ["UnitId"] {
		t.Errorf("of both: %v, differ %v, %v", f.Values, f.Differ, err)
	}
	if err := errors.Join(who.nodes.Move(ctx, true, tank), who.nodes.Move(ctx, false, both...)); err != nil {
		t.Error(err)
	}
	errs, err := who.nodes.ExecuteAll(ctx, both, "LogMessage", nodes.Params{"Text": nodes.String("seen")})
	if err = errors.Join(append(errs, err)...); err != nil {
		t.Error(err)
	}
	errs, err = who.nodes.ExecuteAll(ctx, both, "ClearMessages", nil)
	if err = errors.Join(append(errs, err)...); err != nil {
		t.Error(err)
	}
	found := make([]int, len(both))
	errs, err = who.nodes.QueryAll(ctx, both, "ReadoutReport", nil, func(i int, _ nodes.Finding) error { found[i]++; return nil })
	if err = errors.Join(append(errs, err)...); err != nil || found[0] == 0 || found[1] == 0 {
		t.Errorf("%d and %d findings, %v", found[0], found[1], err)
	}
}
