package bench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/tidwall/gjson"

	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// What is published: JSON of ten numbers on each of a thousand topics.
const (
	mqttTopics = 1000
	mqttFields = 10
)

func mqttPayload(b []byte, n int) []byte {
	b = append(b, '{')
	for i := range mqttFields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `"v`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, int64(n%100000), 10)
		b = append(b, '.', byte('0'+i), '5')
	}
	return append(b, '}')
}

// mqttPacket is a publication with QoS 0 (MQTT 3.1.1, 3.3).
func mqttPacket(b []byte, topic string, payload []byte) []byte {
	b = append(b, 0x30)
	for n := 2 + len(topic) + len(payload); ; {
		c := byte(n & 127)
		if n >>= 7; n > 0 {
			c |= 128
		}
		b = append(b, c)
		if n == 0 {
			break
		}
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(topic)))
	return append(append(b, topic...), payload...)
}

// mqttPublish publishes so many messages at a rate; 0: as fast as it goes. What is
// published is numbered from first on, message n on topic n mod 1000.
func mqttPublish(t *testing.T, port int, branch string, first, count, rate int) {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	connect := []byte("\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02pb")
	if _, err := c.Write(connect); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := c.Read(ack[:]); err != nil || ack[3] != 0 {
		t.Fatalf("CONNACK %v, %v", ack, err)
	}
	w := bufio.NewWriterSize(c, 32<<10)
	var payload, packet []byte
	begin := time.Now()
	for i := range count {
		if rate > 0 && i%(rate/200) == 0 {
			w.Flush()
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		n := first + i
		payload = mqttPayload(payload[:0], n)
		packet = mqttPacket(packet[:0], branch+strconv.Itoa(n%mqttTopics), payload)
		if _, err := w.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	c.Write([]byte{0xe0, 0})
}

// runMQTTBare is a loop of paho and gjson that decodes ten paths, and says on request how
// many messages came, see TestMain.
func runMQTTBare(port string) {
	var count atomic.Int64
	var sum float64
	paths := make([]string, mqttFields)
	for i := range paths {
		paths[i] = "v" + strconv.Itoa(i)
	}
	o := paho.NewClientOptions().AddBroker("tcp://127.0.0.1:" + port).SetClientID("bare")
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		for _, p := range paths {
			sum += gjson.GetBytes(m.Payload(), p).Num
		}
		count.Add(1)
	})
	c := paho.NewClient(o)
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		panic(token.Error())
	}
	if token := c.Subscribe("bare/#", 0, nil); token.Wait() && token.Error() != nil {
		panic(token.Error())
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println(count.Load())
	}
}

func mosquitto(t *testing.T) int {
	m, err := mqtttest.StartMosquitto(t.TempDir(), "max_queued_messages 0", "sys_interval 0")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(m.Close)
	return m.Port
}

// mqttTree is the tree of so many devices of ten fields.
func mqttTree(port, devices int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- name: mq\n  type: mqtt.broker\n  params: {Host: 127.0.0.1, Port: %d}\n  children:\n", port)
	for d := range devices {
		fmt.Fprintf(&b, "    - name: d%d\n      type: mqtt.device\n      params: {Topic: bench/%d}\n      children:\n", d, d)
		for f := range mqttFields {
			fmt.Fprintf(&b, "        - {name: v%d, type: mqtt.field, params: {Path: v%d, Unit: °C}}\n", f, f)
		}
	}
	return b.String()
}

// mqttContender takes what is published.
type mqttContender struct {
	branch   string // of topics that only it takes
	pid      int
	received func() int
}

func startMQTTBare(t *testing.T, port int) *mqttContender {
	c := child(t, "mqttbare", strconv.Itoa(port))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Process.Kill(); c.Wait() })
	lines := bufio.NewScanner(out)
	lines.Scan()
	return &mqttContender{"bare/", c.Process.Pid, func() int {
		fmt.Fprintln(in)
		lines.Scan()
		n, _ := strconv.Atoi(lines.Text())
		return n
	}}
}

func startMQTTHub(t *testing.T, port, devices int) (*mqttContender, *sensordata.Client, *exec.Cmd) {
	cmd := startDaemon(t, mqttTree(port, devices))
	values := reader(t, cmd)
	return &mqttContender{"bench/", cmd.Process.Pid, func() int {
		n := 0
		err := values.Read(t.Context(), nodes.Readout{Refs: []nodes.Ref{nodes.In("mq")}}, func(_ nodes.Ref, r nodes.Reading) {
			for _, f := range r.Fields {
				if f.Name == "messages received" {
					n = int(f.Value.Int())
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}}, values, cmd
}

// startMQTTTelegraf runs Telegraf with one of its JSON parsers. It says in its log how
// many metrics it wrote, each of which is a message.
func startMQTTTelegraf(t *testing.T, port int, parser string) *mqttContender {
	dir, branch := t.TempDir(), parser+"/"
	var b strings.Builder
	fmt.Fprintf(&b, "[agent]\n  interval = \"10s\"\n  flush_interval = \"1s\"\n  metric_batch_size = 5000\n  metric_buffer_limit = 1000000\n  omit_hostname = true\n  debug = true\n[[outputs.discard]]\n")
	fmt.Fprintf(&b, "[[inputs.mqtt_consumer]]\n  servers = [\"tcp://127.0.0.1:%d\"]\n  topics = [\"%s#\"]\n  qos = 0\n  max_undelivered_messages = 100000\n  data_format = %q\n", port, branch, parser)
	if parser == "json_v2" {
		fmt.Fprintf(&b, "  [[inputs.mqtt_consumer.json_v2]]\n")
		for f := range mqttFields {
			fmt.Fprintf(&b, "    [[inputs.mqtt_consumer.json_v2.field]]\n      path = \"v%d\"\n      type = \"float\"\n", f)
		}
	}
	conf, log := filepath.Join(dir, "telegraf.conf"), filepath.Join(dir, "log")
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	c := exec.Command(program(t, "telegraf", "."), conf)
	c.Stdout, c.Stderr = out, out
	start(t, c)
	return &mqttContender{branch, c.Process.Pid, func() (n int) {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range wrote.FindAllStringSubmatch(string(text), -1) {
			k, _ := strconv.Atoi(m[1])
			n += k
		}
		return n
	}}
}

var wrote = regexp.MustCompile(`Wrote batch of (\d+) metrics`)

// startDaemon runs the daemon with a tree.
func startDaemon(t *testing.T, tree string) *exec.Cmd {
	dir := t.TempDir()
	file, conf := filepath.Join(dir, "tree.yaml"), filepath.Join(dir, "hub.yaml")
	if err := os.WriteFile(file, []byte(tree), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte("data: "+filepath.Join(dir, "data")+"\nlocal: {listen: 127.0.0.1:0}\nlog: {level: error}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := program(t, "../../..", "./cmd/hub")
	run := func() *exec.Cmd {
		c := exec.Command(bin, "run", "-c", conf)
		c.Dir = dir
		start(t, c)
		for !exists(filepath.Join(dir, "data", "owner.json")) {
			time.Sleep(20 * time.Millisecond)
		}
		return c
	}
	first := run()
	first.Process.Signal(syscall.SIGTERM)
	first.Wait()
	if out, err := exec.Command(bin, "import", "--data", filepath.Join(dir, "data"), file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return run()
}

// newest reads all values and returns how many are not those of the last thousand
// messages, the last of which has that number.
func newest(t *testing.T, values *sensordata.Client, devices, last int) (wrong int) {
	ro := nodes.Readout{Categories: nodes.Momentary}
	for d := range devices {
		ro.Refs = append(ro.Refs, nodes.In(fmt.Sprintf("mq/d%d", d)))
	}
	seen := 0
	err := values.Read(t.Context(), ro, func(ref nodes.Ref, r nodes.Reading) {
		d, _ := strconv.Atoi(strings.TrimPrefix(ref.ID, "mq/d"))
		n := last - (last-d)%mqttTopics
		for _, f := range r.Fields {
			seen++
			want, _ := strconv.ParseFloat(fmt.Sprintf("%d.%s5", n%100000, f.Name[1:]), 64)
			if f.Value.Double() != want || f.QoS&(nodes.Warning|nodes.Erroneous) != 0 {
				wrong++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return wrong + devices*mqttFields - seen
}

// TestMQTT compares the hub with a loop of bare paho and gjson and with Telegraf, in turns, at two rates, and
// looks whether the newest value of every field has arrived.
func TestMQTT(t *testing.T) {
	const seconds, rounds = 10, 3
	port := mosquitto(t)
	hub, values, _ := startMQTTHub(t, port, mqttTopics)
	bare := startMQTTBare(t, port)
	time.Sleep(5 * time.Second) // to start, and to settle
	type result struct{ got, sent, cpu float64 }
	next := 0
	run := func(c *mqttContender, rate, count int) result {
		before, used := c.received(), cpu(t, c.pid)
		first := next
		if c == hub {
			next += count
		}
		mqttPublish(t, port, c.branch, first, count, rate)
		got, quiet := 0, 0
		for end := time.Now().Add(60 * time.Second); quiet < 3 && time.Now().Before(end); {
			time.Sleep(4 * time.Second)
			n := c.received() - before
			if quiet++; n != got {
				got, quiet = n, 0
			}
			if got >= count {
				break
			}
		}
		return result{float64(got), float64(count), cpu(t, c.pid) - used}
	}
	fmt.Printf("\nMQTT through Mosquitto: JSON of %d numbers on %d topics, QoS 0 (medians of %d windows of %d s, in turns)\n\n| messages/s | | received | values per CPU second | not the newest |\n|---|---|---|---|---|\n",
		mqttFields, mqttTopics, rounds, seconds)
	contenders := []struct {
		name string
		*mqttContender
	}{{"bare paho and gjson", bare}, {"hub", hub}, {"Telegraf, json", startMQTTTelegraf(t, port, "json")}, {"Telegraf, json_v2", startMQTTTelegraf(t, port, "json_v2")}}
	time.Sleep(5 * time.Second)
	for _, rate := range []int{20000, 60000} {
		eff, got := make([][]float64, len(contenders)), make([][]float64, len(contenders))
		wrong := 0
		for range rounds {
			for i, c := range contenders {
				r := run(c.mqttContender, rate, rate*seconds)
				eff[i] = append(eff[i], r.got*mqttFields/r.cpu)
				got[i] = append(got[i], 100*r.got/r.sent)
				if c.mqttContender == hub {
					wrong = max(wrong, newest(t, values, mqttTopics, next-1))
				}
			}
		}
		for i, c := range contenders {
			late := ""
			if c.mqttContender == hub {
				late = strconv.Itoa(wrong)
			}
			fmt.Printf("| %d | %s | %.2f %% | %.0f | %s |\n", rate, c.name, median(got[i]), median(eff[i]), late)
		}
		fmt.Printf("| %d | hub to bare (required: 0.7) | | %.2f | |\n", rate, median(eff[1])/median(eff[0]))
	}
	const burst = 100000
	r := run(hub, 0, burst)
	fmt.Printf("\nA burst of %d messages, as fast as they can be published: %.2f %% received, %d values are not the newest; memory %.0f MB, at its peak %.0f MB\n",
		burst, 100*r.got/r.sent, newest(t, values, mqttTopics, next-1), float64(memory(t, hub.pid, "VmRSS"))/1024, float64(memory(t, hub.pid, "VmHWM"))/1024)
}

// TestMQTTDevices measures many devices: their memory, and from the start of the process
// until the hub serves them, and until the broker has its subscriptions.
func TestMQTTDevices(t *testing.T) {
	const devices = 10000
	port := mosquitto(t)
	_, _, cmd := startMQTTHub(t, port, devices)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	again := exec.Command(cmd.Path, cmd.Args[1:]...)
	again.Dir = cmd.Dir
	begin := time.Now()
	start(t, again)
	for !exists(filepath.Join(again.Dir, "data", "owner.json")) {
		time.Sleep(time.Millisecond)
	}
	values := reader(t, again)
	served := time.Since(begin)
	for connected := false; !connected; time.Sleep(10 * time.Millisecond) {
		err := values.Read(t.Context(), nodes.Readout{Refs: []nodes.Ref{nodes.In("mq")}}, func(_ nodes.Ref, r nodes.Reading) {
			for _, f := range r.Fields {
				connected = connected || f.Name == "connected" && f.Value == nodes.Bool(true)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	subscribed := time.Since(begin)
	time.Sleep(20 * time.Second)
	fmt.Printf("\n%d MQTT devices of %d fields: served %v after the start of the process, connected to the broker after %v, memory %.0f MB, at its peak %.0f MB\n",
		devices, mqttFields, served.Round(time.Millisecond), subscribed.Round(time.Millisecond),
		float64(memory(t, again.Process.Pid, "VmRSS"))/1024, float64(memory(t, again.Process.Pid, "VmHWM"))/1024)
}
