package mqtt

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// command is a command or query of a node type, and who runs it.
type command struct {
	nodes.Command
	// run does it for a node; what is found goes to put, which a command has none of.
	run func(ctx context.Context, b *broker, node string, p nodes.Params, put nodes.Put) error
}

func described(list []command) []nodes.Command {
	var out []nodes.Command
	for _, c := range list {
		out = append(out, c.Command)
	}
	return out
}

func brokerCommands() []command {
	listen := func(def time.Duration) nodes.Param {
		return with(span("Time", "", "Time", "How long is listened.", 100*time.Millisecond, time.Hour), nodes.Duration(0, def))
	}
	filter := func(def string) nodes.Param {
		return nodes.Param{ID: "Filter", Label: "Topics", Kind: nodes.KindString, Default: nodes.String(def), Description: "Which topics: + stands for a level, # for all that follow."}
	}
	create := nodes.Param{ID: "Create", Label: "Create", Kind: nodes.KindBool, Default: nodes.Bool(false), Description: "Whether the devices are created; if not, they are only shown."}
	return []command{
		{nodes.Command{ID: "Reconnect", Kind: nodes.Simple, Title: "Reconnect", SortKey: "1",
			Description: "Closes the connection and makes it anew at once.", Success: "The connection is made anew."}, reconnect},
		{nodes.Command{ID: "Publish", Kind: nodes.Parametrized, Title: "Publish", SortKey: "2",
			Description: "Publishes a message. Without a connection it goes into the outbox, if there is one.",
			Success:     "It is published.", Failure: "It is not published:",
			Params: []nodes.Param{
				{ID: "Topic", Label: "Topic", Kind: nodes.KindString, Required: true, Description: "Where."},
				{ID: "Payload", Label: "Payload", Kind: nodes.KindString, Multi: true, Description: "What; empty: nothing, which takes a retained message away."},
				{ID: "Hex", Label: "Hexadecimal", Kind: nodes.KindBool, Default: nodes.Bool(false), Description: "Whether the payload is written in hexadecimal."},
				qosParam("QoS", "", "QoS", "0", "With which it is published."),
				{ID: "Retain", Label: "Retain", Kind: nodes.KindBool, Default: nodes.Bool(false), Description: "Whether the broker keeps it for those who subscribe later."},
			}}, publishCommand},
		{nodes.Command{ID: "ListRetained", Kind: nodes.Query, Title: "List retained messages", SortKey: "3",
			Description: "Shows the topics of which the broker keeps a message, over a connection of its own.",
			Params:      []nodes.Param{filter("#"), listen(2 * time.Second)}}, listRetained},
		{nodes.Command{ID: "LearnDevices", Kind: nodes.Query, Title: "Learn devices", SortKey: "4",
			Description: "Listens to a branch of topics over a connection of its own, and proposes devices and fields for what comes.",
			Params:      []nodes.Param{filter("#"), listen(30 * time.Second), create}}, learnDevices},
		{nodes.Command{ID: "FindHomeAssistant", Kind: nodes.Query, Title: "Find devices that announce themselves", SortKey: "5",
			Description: "Reads what devices announce of themselves for Home Assistant, and proposes devices and fields.",
			Params: []nodes.Param{
				{ID: "Prefix", Label: "Prefix", Kind: nodes.KindString, Default: nodes.String("homeassistant"), Pattern: `[^+#\s]+`, Description: "The topic below which they do."},
				listen(3 * time.Second), create}}, findHomeAssistant},
	}
}

// Execute implements [nodes.Commander].
func (b *broker) Execute(ctx context.Context, node, command string, p nodes.Params) error {
	return b.command(ctx, node, command, p, nil)
}

// Query implements [nodes.Commander].
func (b *broker) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	return b.command(ctx, node, command, p, put)
}

func (b *broker) command(ctx context.Context, node, id string, p nodes.Params, put nodes.Put) error {
	select {
	case <-b.over:
		return nodes.Errorf(nodes.Gone, id, nodes.In(node), "the broker node was stopped")
	default:
	}
	list := brokerCommands()
	b.mu.Lock()
	if b.templates[node] != nil {
		list = templateCommands()
	} else if node != b.id {
		list = nil
	}
	b.mu.Unlock()
	if list == nil {
		return nodes.Errorf(nodes.NotFound, id, nodes.In(node), "no such node with commands here")
	}
	for _, c := range list {
		if c.ID == id && (c.Kind == nodes.Query) == (put != nil) {
			return c.run(ctx, b, node, p, put)
		}
	}
	return nodes.Errorf(nodes.NotFound, id, nodes.In(node), "no such command here")
}

func reconnect(_ context.Context, b *broker, _ string, _ nodes.Params, _ nodes.Put) error {
	b.mu.Lock()
	b.epoch++
	b.mu.Unlock()
	poke(b.relink)
	return nil
}

func publishCommand(ctx context.Context, b *broker, node string, p nodes.Params, _ nodes.Put) error {
	no := func(kind nodes.ErrorKind, text string) error {
		return nodes.Errorf(kind, "Publish", nodes.In(node), text)
	}
	m := posting{Topic: p.Text("Topic"), Data: []byte(p.Text("Payload")), QoS: qosOf(p, "QoS"), Retain: p.Bool("Retain")}
	if err := checkTopic(m.Topic); err != nil {
		return no(nodes.Invalid, err.Error())
	}
	if p.Bool("Hex") {
		data, err := hex.DecodeString(strings.Join(strings.Fields(p.Text("Payload")), ""))
		if err != nil {
			return no(nodes.Invalid, "the payload is not hexadecimal: "+err.Error())
		}
		m.Data = data
	}
	client, err := b.connection(ctx)
	if err != nil {
		if _, kept := b.keep(m); kept {
			return nil
		}
		return err
	}
	token := client.Publish(m.Topic, m.QoS, m.Retain, m.Data)
	b.sent("", m.Topic, m.QoS, m.Retain, m.Data)
	if err := b.await(ctx, token); err != nil {
		return no(nodes.Timeout, "the broker did not say that it has the message: "+err.Error())
	}
	return nil
}

func cell(s string) nodes.Value {
	if s == "" {
		return nodes.Value{}
	}
	return nodes.String(s)
}

// mostTopics is how many topics a query keeps in mind; of further ones it tells the
// count.
const mostTopics = 2000

func listRetained(ctx context.Context, b *broker, node string, p nodes.Params, put nodes.Put) error {
	if err := put(nodes.QueryStatus("listening to " + p.Text("Filter"))); err != nil {
		return err
	}
	found, err := b.visit(ctx, []string{p.Text("Filter")}, p.Span("Time"), true, put)
	if err != nil {
		return err
	}
	const id = "retained"
	columns := []nodes.Column{{ID: "Topic"}, {ID: "Bytes", Align: nodes.AlignRight}, {ID: "QoS", Align: nodes.AlignRight}, {ID: "Payload"}}
	if err := put(nodes.Table{ID: id, Name: "Retained messages", Columns: columns}); err != nil {
		return err
	}
	for _, s := range found.list() {
		text := s.payload
		if !printable(text, false) {
			text = []byte(hex.EncodeToString(text))
		}
		row := []nodes.Value{nodes.String(strings.ToValidUTF8(s.topic, "?")), nodes.Int32(int32(s.size)), nodes.Int32(int32(s.qos)), cell(short(string(text)))}
		if err := put(nodes.Rows{Table: id, Rows: [][]nodes.Value{row}}); err != nil {
			return err
		}
	}
	if err := put(nodes.TableEnd(id)); err != nil {
		return err
	}
	return found.remark(put)
}

// short is a text of one line, and not a long one.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 120
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func (f *finds) remark(put nodes.Put) error {
	if f.beyond == 0 {
		return nil
	}
	return put(nodes.Remark{Severity: nodes.SeverityWarning, Text: fmt.Sprintf("%d messages of further topics were not looked at: there are more than %d topics; choose a smaller branch", f.beyond, mostTopics)})
}
