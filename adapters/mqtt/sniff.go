package mqtt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/sniffer"
)

const (
	snifferInfo  = sniffer.Info
	snifferError = sniffer.Error
)

// shownPayload is how much of a payload listeners are shown.
const shownPayload = 4096

// noteEvery is how often a message is kept for listeners to come while there are none:
// composing all of them would cost more than taking them apart.
const noteEvery = 20 * time.Millisecond

// sniffRx shows a message to those who listen. It is called by one goroutine at a time.
func (b *broker) sniffRx(now time.Time, m mqtt.Message) {
	if !b.tap.Active() && now.Sub(b.noted) < noteEvery {
		return
	}
	b.noted = now
	b.tap.Note(sniffer.Rx, b.listener(m.Topic()), frame(m.Topic(), m.Qos(), m.Retained(), m.Payload()))
}

// listener returns the device that a topic belongs to; empty: none, or several.
func (b *broker) listener(topic string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.routes[topic]
	switch {
	case r == nil:
		return ""
	case len(r.feeds) > 0:
		return r.feeds[0].dev.id
	case len(r.available) > 0:
		return r.available[0].id
	}
	return r.answers[0].dev.id
}

// frame shows a message: topic, QoS, whether it was retained, and the payload as text
// or, when it is none, in hexadecimal.
func frame(topic string, qos byte, kept bool, data []byte) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s QoS %d", topic, qos)
	if kept {
		b.WriteString(" retained")
	}
	b.WriteString(": ")
	rest := len(data) - shownPayload
	data = data[:min(len(data), shownPayload)]
	if printable(data, rest > 0) {
		b.Write(data)
	} else {
		b.WriteString(hex.EncodeToString(data))
	}
	if rest > 0 {
		fmt.Fprintf(&b, "… and %d bytes more", rest)
	}
	return b.String()
}

func printable(data []byte, cut bool) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			return cut && len(data) < utf8.UTFMax // a character that was cut
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f {
			return false
		}
		data = data[n:]
	}
	return true
}
