package mqtt

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// stream is a connection of which only reading is made use.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func publication(topic string, size int) []byte {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Qos, p.MessageID, p.Payload = topic, 1, 7, bytes.Repeat([]byte("x"), size)
	var b bytes.Buffer
	p.Write(&b)
	return b.Bytes()
}

// A publication that is too long is cut, and what follows it comes as it is.
func TestLimited(t *testing.T) {
	const limit = 1000
	for _, size := range []int{0, 1, limit, limit + 1, limit + longestTopic, limit + longestTopic + 1, 3 << 20} {
		data := append(publication("a/b", size), publication("next", 3)...)
		l := newLimited(stream{Reader: bytes.NewReader(data)}, limit)
		one, err := packets.ReadPacket(l)
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		p := one.(*packets.PublishPacket)
		if p.TopicName != "a/b" || p.MessageID != 7 || (len(p.Payload) > limit) != (size > limit) || len(p.Payload) > limit+longestTopic || size <= limit && len(p.Payload) != size {
			t.Errorf("%d: topic %q, id %d, %d bytes", size, p.TopicName, p.MessageID, len(p.Payload))
		}
		two, err := packets.ReadPacket(l)
		if err != nil || two.(*packets.PublishPacket).TopicName != "next" {
			t.Errorf("%d: what follows: %v, %v", size, two, err)
		}
		if _, err := packets.ReadPacket(l); !errors.Is(err, io.EOF) {
			t.Errorf("%d: at the end: %v", size, err)
		}
	}
}

// Whatever comes in, no packet is longer than the limit, and what is short enough comes as
// it is.
func FuzzLimited(f *testing.F) {
	f.Add(publication("a", 10), 100)
	f.Add(publication("a", 1000), 100)
	f.Add([]byte{0x20, 2, 0, 0, 0x30, 0xff, 0xff, 0xff, 0x7f, 1}, 5)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, 5)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		got, err := io.ReadAll(newLimited(stream{Reader: bytes.NewReader(data)}, limit))
		if len(got) > len(data) {
			t.Fatalf("%d bytes of %d", len(got), len(data))
		}
		if err == nil && canonical(data, limit) && !bytes.Equal(got, data) {
			t.Fatalf("got %x of %x", got, data)
		}
	})
}

// canonical tells whether the lengths of packets are within a limit, and written as short as
// they can be.
func canonical(data []byte, limit int) bool {
	for len(data) > 1 {
		n, i := 0, 1
		for ; i < len(data) && i < 5; i++ {
			n |= int(data[i]&127) << (7 * (i - 1))
			if data[i] < 128 {
				break
			}
		}
		if n > limit || i > 1 && i < len(data) && data[i] == 0 {
			return false
		}
		if i+1+n > len(data) {
			return true
		}
		data = data[i+1+n:]
	}
	return true
}
