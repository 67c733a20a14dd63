package mqtt

import (
	"math"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
)

// acknowledge is how a device says that it has done what it was told.
type acknowledge uint8

const (
	ackEcho  acknowledge = iota // the field shows the value
	ackTopic                    // by a message on a topic
	ackNone                     // not at all
)

// commandConfig is how a field is set. Comparable.
type commandConfig struct {
	writable          bool
	topic             string // as written
	template          string // empty: made of format and path
	qos               byte
	retain            bool
	ack               acknowledge
	ackTopic, ackPath string
	ackValue          string
	wait              time.Duration
	tolerance         float64
	min, max          float64
}

func readCommand(p nodes.Params) commandConfig {
	c := commandConfig{writable: p.Bool("Writable"), topic: p.Text("CommandTopic"), template: p.Text("Command"), qos: qosOf(p, "CommandQoS"),
		retain: p.Bool("CommandRetain"), ackTopic: p.Text("AckTopic"), ackPath: p.Text("AckPath"), ackValue: p.Text("AckValue"),
		wait: p.Span("AckTimeout"), tolerance: p.Double("Tolerance"), min: math.Inf(-1), max: math.Inf(1)}
	switch p.Text("Acknowledge") {
	case "topic":
		c.ack = ackTopic
	case "none":
		c.ack = ackNone
	}
	if v := p["WriteMin"]; !v.IsZero() {
		c.min = v.Double()
	}
	if v := p["WriteMax"]; !v.IsZero() {
		c.max = v.Double()
	}
	return c
}

func commandParams() []nodes.Param {
	return []nodes.Param{
		{ID: "Writable", Page: "Writing", Label: "Writable", Kind: nodes.KindBool, Default: nodes.Bool(false), Description: "Whether the value may be set."},
		{ID: "CommandTopic", Page: "Writing", Label: "Command topic", Kind: nodes.KindString, Default: nodes.String("~/set"),
			Description: "Where a value is published to be set. May begin with ~ for the topic of the device."},
		{ID: "Command", Page: "Writing", Label: "Command", Kind: nodes.KindString, Multi: true,
			Description: "The payload: {value} stands for the value as text, {json} as JSON, {id} for a new number of each command, {time} and {unix} for the time. Empty: the value at Path, as it is read."},
		qosParam("CommandQoS", "Writing", "QoS of commands", "1", "With which it is published."),
		{ID: "CommandRetain", Page: "Writing", Label: "Retain commands", Kind: nodes.KindBool, Default: nodes.Bool(false),
			Description: "Whether the broker keeps the command for a device that is offline. It gets it whenever it comes back."},
		{ID: "Acknowledge", Page: "Writing", Label: "Acknowledgement", Kind: nodes.KindEnum, Default: nodes.Enum("echo", "Acknowledge"),
			Options:     options("echo", "The field shows the value", "topic", "A message on the acknowledgement topic", "none", "None: done when the broker has it"),
			Description: "How the device says that it has done it."},
		{ID: "AckTopic", Page: "Writing", Label: "Acknowledgement topic", Kind: nodes.KindString,
			Description: "Where it says so. May begin with ~. When the command holds {id}, only messages that hold the same id count."},
		{ID: "AckPath", Page: "Writing", Label: "Path in the acknowledgement", Kind: nodes.KindString, Description: "Where it holds AckValue, in JSON; empty: the whole payload."},
		{ID: "AckValue", Page: "Writing", Label: "Good acknowledgement", Kind: nodes.KindString,
			Description: "What it says when it was done, a comma apart; another one is a refusal. Empty: any message says that it was done."},
		with(span("AckTimeout", "Writing", "Acknowledgement time-out", "How long is waited for it; then the outcome is unknown.", 100*time.Millisecond, time.Minute), nodes.Duration(0, 5*time.Second)),
		{ID: "Tolerance", Page: "Writing", Label: "Tolerance", Kind: nodes.KindDouble, Default: nodes.Double(0), Min: nodes.Double(0),
			Description: "By how much a number that the field shows may differ from the one that was set."},
		{ID: "WriteMin", Page: "Writing", Label: "Least value", Kind: nodes.KindDouble, Description: "The least number that may be set."},
		{ID: "WriteMax", Page: "Writing", Label: "Greatest value", Kind: nodes.KindDouble, Description: "The greatest number that may be set."},
	}
}

func checkCommand(p nodes.Params, c *fieldConfig, wrong map[string]string) {
	noMonths(p, wrong, "AckTimeout")
	k := &c.command
	if !k.writable {
		return
	}
	if err := checkTopic(absolute(k.topic, "x")); err != nil {
		wrong["CommandTopic"] = err.Error()
	}
	if kindOf(&c.mapping) == nodes.KindNone {
		wrong["Type"] = "what may be set needs a type: auto does not say which"
	}
	if _, ok := payload.Template(c.format, c.path); c.own && !ok && k.template == "" {
		wrong["Command"] = "is needed: the payload cannot be made of this format and path"
	}
	if k.ack == ackTopic {
		if k.ackTopic == "" {
			wrong["AckTopic"] = "is needed for an acknowledgement by topic"
		} else if err := checkTopic(absolute(k.ackTopic, "x")); err != nil {
			wrong["AckTopic"] = err.Error()
		}
		if k.ackPath != "" {
			if err := payload.CheckPath(payload.JSON, k.ackPath); err != nil {
				wrong["AckPath"] = err.Error()
			} else if k.ackValue == "" {
				wrong["AckValue"] = "is needed: what the acknowledgement holds at AckPath"
			}
		}
	}
	if k.min > k.max {
		wrong["WriteMax"] = "must not be below WriteMin"
	}
}

// kindOf returns the kind of the values that a mapping makes; KindNone when the payload
// says so.
func kindOf(m *mappingConfig) nodes.Kind {
	switch {
	case strings.TrimSpace(m.options) != "":
		return nodes.KindEnum
	case m.typ == payload.ToNumber:
		return nodes.KindDouble
	case m.typ == payload.ToInteger:
		return nodes.KindInt64
	case m.typ == payload.ToBool:
		return nodes.KindBool
	case m.typ == payload.ToText:
		return nodes.KindString
	case m.typ == payload.ToTime:
		return nodes.KindDateTime
	case m.unit != "" || m.decimals >= 0 || m.scale != 1 || m.divisor != 1 || m.offset != 0:
		return nodes.KindDouble
	case m.on != "" || m.off != "":
		return nodes.KindBool
	}
	return nodes.KindNone
}

// fieldControls returns the control parameter of a writable field, named as it.
func fieldControls(s *nodes.Spec) []nodes.Param {
	c := readField(s)
	if !c.command.writable {
		return nil
	}
	p := nodes.Param{ID: s.Name, Page: "MQTT", Label: s.Name, Kind: kindOf(&c.mapping), Required: true, Description: "Published on " + c.command.topic + "."}
	bound := func(v float64) nodes.Value {
		switch {
		case math.IsInf(v, 0):
			return nodes.Value{}
		case p.Kind == nodes.KindInt64:
			return nodes.Int64(int64(v))
		}
		return nodes.Quantity(v, c.mapping.decimals, c.mapping.unit)
	}
	switch p.Kind {
	case nodes.KindEnum:
		list, _ := payload.ParseOptions(c.mapping.options)
		for _, o := range list {
			p.Options = append(p.Options, nodes.Option{Value: o.Label, Label: o.Label})
		}
	case nodes.KindString:
		p.Required = false // the empty text is one
	case nodes.KindDouble, nodes.KindInt64:
		p.Min, p.Max = bound(c.command.min), bound(c.command.max)
		if u := c.mapping.unit; u != "" {
			p.Label += " (" + u + ")"
		}
	}
	return []nodes.Param{p}
}
