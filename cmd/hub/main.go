// Hub presents Modbus, MQTT and GPIO devices as one XMPP address. See README.md,
// or run "hub help".
package main

import (
	"os"

	"github.com/fieldhub/hub/cmd/hub/app"
)

func main() { os.Exit(app.Main(modbusAdapter(), gpioAdapter(), mqttAdapter())) }
