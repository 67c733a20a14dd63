package modbus

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

const python = "/usr/bin/python3" // Debian's, for which python3-pymodbus is installed

// pymodbus starts the server of testdata on a way in: "tcp" or "rtu" and a port, or
// "serial" and the path of a serial port. It is killed at the end of the test.
func pymodbus(t *testing.T, kind, where string) {
	t.Helper()
	if out, err := exec.Command(python, "-c", "import pymodbus.server, serial_asyncio").CombinedOutput(); err != nil {
		missing := t.Skipf
		if os.Getenv("HUB_TEST_SERVERS") == "required" {
			missing = t.Fatalf
		}
		missing("pymodbus is missing: apt install python3-pymodbus python3-serial-asyncio (%v: %s)", err, bytes.TrimSpace(out))
	}
	cmd := exec.Command(python, "testdata/pymodbus_server.py", kind, where)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if t.Failed() {
			t.Logf("pymodbus said: %s", said.String())
		}
	})
	late := time.AfterFunc(30*time.Second, func() { out.Close() })
	defer late.Stop()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("pymodbus is not ready: got %q, %v", line, err)
	}
}

// pymodbusNode starts pymodbus on a transport and returns a node that reaches it.
func pymodbusNode(t *testing.T, transport string, units ...*nodes.Node) *nodes.Node {
	t.Helper()
	if transport == "serial" {
		cable, ours, theirs, err := modbustest.NewCable()
		if err != nil {
			t.Fatal(err)
		}
		runs(t, cable.Run)
		pymodbus(t, "serial", theirs)
		return serialNode(t, ours, 115200, units...)
	}
	port := freePort(t)
	pymodbus(t, transport, strconv.Itoa(port))
	n := gatewayNode(t, port, units...)
	if transport == "rtu" {
		return rtuOverTCP(t, n)
	}
	return n
}

// What pymodbus packs, we read: all tables, all types, all orders, requests of
// full length, and holes that it refuses; on every transport.
func TestPymodbus(t *testing.T) {
	for _, transport := range []string{"tcp", "rtu", "serial"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			testPymodbus(t, transport)
		})
	}
}

func testPymodbus(t *testing.T, transport string) {
	want := make(map[string]nodes.Value)
	var one, two []*nodes.Node
	add := func(n *nodes.Node, v nodes.Value) {
		one = append(one, n)
		want["gw/one/"+n.Name] = v
	}
	for i, o := range wire.Orders {
		order := nodes.String(o.String())
		at := 100 + 6*i
		add(registerNode("float "+o.String(), wire.HoldingRegister, at, "float32", "ByteOrder", order, "Decimals", nodes.Int32(3)), nodes.Quantity(-123.456, 3, ""))
		add(registerNode("int "+o.String(), wire.HoldingRegister, at+2, "int32", "ByteOrder", order), nodes.Int32(-123456789))
		add(registerNode("uint "+o.String(), wire.HoldingRegister, at+4, "uint32", "ByteOrder", order), nodes.Int64(3123456789))
	}
	for a := 300; a < 600; a++ {
		add(registerNode(fmt.Sprint("h", a), wire.HoldingRegister, a, ""), nodes.Int32(int32(3*a)))
	}
	for _, a := range []int{0, 7, 15, 999} {
		add(registerNode(fmt.Sprint("i", a), wire.InputRegister, a, "uint16"), nodes.Int32(int32(65535-a)))
		add(registerNode(fmt.Sprint("s", a), wire.InputRegister, a, "int16"), nodes.Int32(int32(int16(65535-a))))
	}
	for a := 0; a < 2500; a += 50 {
		add(registerNode(fmt.Sprint("c", a), wire.Coil, a, ""), nodes.Bool(a%3 == 0))
		add(registerNode(fmt.Sprint("d", a), wire.DiscreteInput, a, ""), nodes.Bool(a%5 == 0))
	}
	for _, a := range []int{0, 1, 2, 3, 6, 7, 8, 9} {
		two = append(two, registerNode(fmt.Sprint("r", a), wire.HoldingRegister, a, ""))
		want[fmt.Sprint("gw/two/r", a)] = nodes.Int32(int32(1000 + a))
	}
	two = append(two, registerNode("hole", wire.HoldingRegister, 4, ""))
	n := pymodbusNode(t, transport, unitNode("one", 1, one...), unitNode("two", 2, two...), unitNode("none", 3, registerNode("r", wire.Coil, 0, "")))
	n.Params["Timeout"] = nodes.Duration(0, 2*time.Second)
	n.Params["PollInterval"] = nodes.Duration(0, 300*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	for id, v := range want {
		d.Host.Wait(t, 20*time.Second, id, func() bool { return d.Host.Count(id) > 0 })
		if got := d.Host.Value(id); got != v {
			t.Errorf("%s: got %v (%v), want %v", id, got, d.Host.Err(id), v)
		}
	}
	for _, id := range []string{"gw/two/hole", "gw/none/r"} {
		d.Host.Wait(t, 20*time.Second, "an error of "+id, func() bool { return d.Host.Err(id) != nil })
	}
	if got := d.Host.Messages("gw/two/hole"); len(got) != 1 || got[0].EventID != EventAddress {
		t.Errorf("the hole: messages %v", got)
	}
}

// What we write, pymodbus keeps, and is read back from it: every function to write,
// on every transport.
func TestPymodbusWrites(t *testing.T) {
	for _, transport := range []string{"tcp", "rtu", "serial"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			writable := func(name string, table wire.Table, address int, typ string, more ...any) *nodes.Node {
				return registerNode(name, table, address, typ, append(more, "Writable", nodes.Bool(true), "ReadBack", nodes.Bool(true))...)
			}
			n := pymodbusNode(t, transport, unitNode("one", 1,
				writable("coil", wire.Coil, 1, ""),
				writable("coils", wire.Coil, 2, "", "WriteFunction", nodes.String("multiple")),
				writable("word", wire.HoldingRegister, 700, "int16"),
				writable("words", wire.HoldingRegister, 701, "uint16", "WriteFunction", nodes.String("multiple")),
				writable("float", wire.HoldingRegister, 702, "float32", "ByteOrder", nodes.String("CDAB")),
				writable("bit", wire.HoldingRegister, 704, "bool", "Bit", nodes.Int32(9))))
			n.Params["Timeout"] = nodes.Duration(0, 2*time.Second)
			d := adaptertest.Start(t, factory(hasty), n)
			s := setter(t, d)
			for round, values := range []map[string]nodes.Value{
				{"coil": nodes.Bool(true), "coils": nodes.Bool(true), "word": nodes.Int32(-5), "words": nodes.Int32(65535), "float": nodes.Double(12.5), "bit": nodes.Bool(true)},
				{"coil": nodes.Bool(false), "coils": nodes.Bool(false), "word": nodes.Int32(5), "words": nodes.Int32(0), "float": nodes.Double(-0.25), "bit": nodes.Bool(false)},
			} {
				for name, v := range values {
					id := "gw/one/" + name
					if o := set(t, s, id, name, v, 2*soon); o.State != nodes.WriteVerified {
						t.Errorf("round %d, %s: got %v (%v), want verified", round, name, o.State, o.Err)
					}
					d.Host.Wait(t, 2*soon, "the new value of "+id, func() bool { return d.Host.Value(id) == v })
				}
			}
		})
	}
}
