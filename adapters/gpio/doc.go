// Package gpio is the adapter for GPIO: chips and their lines, inputs and outputs,
// as nodes.
//
// A chip node owns a connection ([nodes.Type.Connects]); the device opened for it
// requests a line for each input and output below, one request each, so that a
// line that cannot be had disturbs no other. Three parts, each of which knows only
// the one below:
//
//   - device, in device.go, change.go and find.go: which chip and lines there are, and
//     what a failure means for which node. Lines are requested and given back in the
//     goroutine of Run; a goroutine for each input waits for its edges; values are set
//     in that of the caller. They meet at one mutex.
//   - meter, in meter.go: what is made of edges: counts, totals, rates, frequency,
//     lengths. Pure.
//   - cdev, the folder below: the kernel's character device.
//
// Of the library periph.io/x/host/v3/gpioioctl only tests make use, as of a second
// opinion on chips and lines: it looks for chips once, keeps all of them open
// for ever, so that an expander that was pulled comes back under another number,
// and when it closes one it closes descriptor 0 as well.
//
// gpiotest is a simulated board. The package knows nothing of trees, XMPP or files.
package gpio
