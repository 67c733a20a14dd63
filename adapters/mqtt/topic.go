package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkTopic tells what is wrong with a name of a topic (MQTT 3.1.1, 4.7).
func checkTopic(topic string) error {
	switch {
	case topic == "":
		return errors.New("a topic has at least one character")
	case len(topic) > 65535:
		return errors.New("a topic has at most 65535 bytes")
	case !utf8.ValidString(topic) || strings.ContainsRune(topic, 0):
		return errors.New("a topic is UTF-8 without a zero character")
	case strings.ContainsAny(topic, "+#"):
		return fmt.Errorf("%q holds + or #, which stand for many topics: a device has one of its own", topic)
	}
	return nil
}

// checkFilter tells what is wrong with a topic filter.
func checkFilter(filter string) error {
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level == "+" || level == "#" && i == len(levels)-1 {
			continue
		}
		if strings.ContainsAny(level, "+#") {
			return fmt.Errorf("%q: + stands for a whole level, # for all that follow, at the end", filter)
		}
	}
	return checkTopic(strings.NewReplacer("+", "x", "#", "x").Replace(filter))
}

// absolute returns a topic of a field, which may begin with that of its device,
// written as ~.
func absolute(topic, device string) string {
	if topic == "" || topic == "~" {
		return device
	}
	if rest, ok := strings.CutPrefix(topic, "~/"); ok {
		return strings.TrimSuffix(device, "/") + "/" + rest
	}
	return topic
}
