package main

import (
	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/mqtt"
)

func mqttAdapter() adapters.Factory { return mqtt.Factory() }
