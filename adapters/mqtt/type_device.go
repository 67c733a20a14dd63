package mqtt

import (
	"time"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
)

// retained is what is made of messages that the broker kept.
type retained uint8

const (
	retainedMark   retained = iota // their values carry the warning flag until a live one comes
	retainedTrust                  // they are as good as live ones
	retainedIgnore                 // they are not taken
)

// deviceConfig is a device node as the adapter uses it. Comparable.
type deviceConfig struct {
	topic           string
	format          payload.Format
	timePath        string
	qualityPath     string
	good            string
	availability    string // topic; empty: none
	online, offline string
	silence         time.Duration
	silenceSet      bool
	retained        retained
}

func readDevice(s *nodes.Spec) deviceConfig {
	p := s.Params
	c := deviceConfig{topic: p.Text("Topic"), timePath: p.Text("TimePath"), qualityPath: p.Text("QualityPath"), good: p.Text("GoodQuality"),
		online: p.Text("Online"), offline: p.Text("Offline"), silence: p.Span("SilenceTimeout"), silenceSet: !p["SilenceTimeout"].IsZero()}
	if a := p.Text("AvailabilityTopic"); a != "" {
		c.availability = absolute(a, c.topic)
	}
	c.format, _ = payload.ParseFormat(p.Text("Format"))
	switch p.Text("Retained") {
	case "trust":
		c.retained = retainedTrust
	case "ignore":
		c.retained = retainedIgnore
	}
	return c
}

func formatOptions() []nodes.Option {
	return options("json", "JSON", "number", "A number", "text", "A text", "keyvalue", "Pairs such as t=21.5,h=40", "csv", "A row of CSV", "binary", "Bytes")
}

func deviceType() nodes.Type {
	return nodes.Type{
		Name: TypeDevice, Title: "MQTT device",
		Parents: []string{TypeBroker, TypeTemplate},
		Caps:    nodes.CanRead | nodes.CanSniff,
		Check:   checkDevice,
		Params: []nodes.Param{
			{ID: "Topic", Page: "Topics", Label: "Topic", Kind: nodes.KindString, Required: true,
				Description: "Where the device publishes: plant/boiler/state. Topics of its fields may begin with it, as ~."},
			{ID: "Names", Page: "Topics", Label: "Names", Kind: nodes.KindString, Multi: true,
				Description: "Of a device below a template: what the placeholders of its topic stand for, one in a line: line=hall1. All else is as the template says."},
			{ID: "AvailabilityTopic", Page: "Topics", Label: "Availability topic", Kind: nodes.KindString,
				Description: "Where the device, or its last will, says whether it is there. May begin with ~ for the topic."},
			{ID: "Online", Page: "Topics", Label: "Online", Kind: nodes.KindString, Default: nodes.String("online"), Description: "What is said there when it is; as it is, or as state in a JSON object."},
			{ID: "Offline", Page: "Topics", Label: "Offline", Kind: nodes.KindString, Default: nodes.String("offline"), Description: "What is said there when it is not."},
			{ID: "Format", Page: "Payload", Label: "Format", Kind: nodes.KindEnum, Default: nodes.Enum("json", "Format"), Options: formatOptions(),
				Description: "How payloads are written. Each field may have its own."},
			{ID: "TimePath", Page: "Payload", Label: "Path of the time", Kind: nodes.KindString,
				Description: "Where a payload holds its time: since 1970 in s, ms, µs or ns, or as text. Empty, or not there: the time at which it came."},
			{ID: "QualityPath", Page: "Payload", Label: "Path of the quality", Kind: nodes.KindString,
				Description: "Where a payload says whether its values are good. Others carry the error flag."},
			{ID: "GoodQuality", Page: "Payload", Label: "Good quality", Kind: nodes.KindString, Default: nodes.String("good, ok, true, 192"),
				Description: "What it says then, a comma apart."},
			span("SilenceTimeout", "Values", "Silence time-out", "A device that sends nothing for so long is said to be silent, and its values are no longer current; 0: never; empty: as the broker says.", 0, 366*24*time.Hour),
			{ID: "Retained", Page: "Values", Label: "Retained values", Kind: nodes.KindEnum, Default: nodes.Enum("mark", "Retained"),
				Options:     options("mark", "Marked until a live one comes", "trust", "As good as live ones", "ignore", "Not taken"),
				Description: "What is made of values that the broker kept, of which nobody knows how old they are."},
		},
	}
}

func checkDevice(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, wrong, "SilenceTimeout")
	c := readDevice(&nodes.Spec{Params: p})
	if err := checkTopic(c.topic); err != nil {
		wrong["Topic"] = err.Error()
	}
	if c.availability != "" {
		if err := checkTopic(c.availability); err != nil {
			wrong["AvailabilityTopic"] = err.Error()
		}
		if c.online == c.offline {
			wrong["Offline"] = "must not be the same as Online"
		}
	}
	for id, path := range map[string]string{"TimePath": c.timePath, "QualityPath": c.qualityPath} {
		if path != "" {
			if err := payload.CheckPath(c.format, path); err != nil {
				wrong[id] = err.Error()
			}
		}
	}
	return wrong
}
