package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

type accessCmd struct {
	Explain explainCmd `cmd:"" help:"Tell what somebody may do with a node, and why."`
}

type explainCmd struct {
	JID  string `arg:"" help:"Address of the person, name@domain."`
	Node string `arg:"" help:"Id or path of a node."`
	Way  string `help:"The way in: xmpp, the broker, or local." default:"xmpp" enum:"xmpp,local"`
}

// explanation is what explain tells in JSON.
type explanation struct {
	JID   string            `json:"jid"`
	Way   string            `json:"way"`
	Node  string            `json:"node"`
	May   []string          `json:"may"`
	Rules map[string]string `json:"rules,omitempty"`
}

func (c *explainCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		refs, err := s.findAll(ctx, []string{c.Node})
		if err != nil {
			return err
		}
		list, err := s.owner.Explain(ctx, nodes.Caller{JID: c.JID, Way: nodes.Way(c.Way)}, refs[0])
		if err != nil {
			return err
		}
		e := explanation{JID: c.JID, Way: c.Way, Node: refs[0].ID, May: []string{}, Rules: make(map[string]string)}
		for _, i := range list {
			if i.Name != "may" {
				e.Rules[i.Name] = i.Value.Text()
			} else if text := i.Value.Text(); text != "" {
				e.May = strings.Split(text, "|")
			}
		}
		if p.options.JSON {
			return line(p.out, e)
		}
		may := strings.Join(e.May, ", ")
		if may == "" {
			may = "nothing: to them it does not exist"
		}
		fmt.Fprintf(p.out, "%s (%s) on %s: %s\n", e.JID, e.Way, e.Node, clean(may))
		if len(list) == 1 {
			_, err = fmt.Fprintln(p.out, "No rule of the configuration is about them here.")
			return err
		}
		t := newTable(p.out, "RULE", "GIVES")
		for _, i := range list[1:] {
			t.row(i.Name, strings.ReplaceAll(i.Value.Text(), "|", ", "))
		}
		return t.end()
	})
}
