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
