# A client on slixmpp that sends the stanzas that it is told to and prints what comes:
# client.py host port address password authority
#
# Reads lines: "iq TYPE TO PAYLOAD", which prints "iq TYPE XML"; "presence TO TYPE"
# ("-" for none), which prints nothing; Prints "online JID", "message FROM PAYLOAD" and
# "presence FROM TYPE".
import asyncio
import sys
import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

host, port, address, password, authority = sys.argv[1:]


def say(*words):
    print(*(w.replace("\n", "&#10;") for w in words), flush=True)


def text(element):
    return ET.tostring(element, encoding="unicode")


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(address, password)
        self.ca_certs = authority
        self.auto_subscribe = True
        self.register_plugin("xep_0030")
        self.add_event_handler("session_start", self.start)
        self.register_handler(Callback("every message", MatchXPath("{jabber:client}message"), self.message))
        for kind in ("available", "unavailable"):
            self.add_event_handler("presence_" + kind, self.presence)

    async def start(self, _):
        await self.get_roster()
        self.send_presence()
        say("online", self.boundjid.full)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await self.do(*line.rstrip("\n").split(" ", 1))
        self.disconnect()

    async def do(self, verb, rest):
        if verb == "presence":
            to, kind = rest.split(" ")
            self.send_presence(pto=None if to == "-" else to, ptype=None if kind == "-" else kind)
            return
        kind, to, payload = rest.split(" ", 2)
        iq = self.make_iq(ito=to, itype=kind)
        iq.xml.append(ET.fromstring(payload))
        try:
            answer = await iq.send(timeout=15)
        except IqError as e:
            answer = e.iq
        except IqTimeout:
            say("iq", "timeout", "")
            return
        children = list(answer.xml)
        if answer["type"] == "error":
            children = [c for c in children if c.tag == "{jabber:client}error"]
        say("iq", answer["type"], text(children[0]) if children else "")

    def message(self, m):
        children = list(m.xml)
        say("message", str(m["from"]), text(children[0]) if children else "")

    def presence(self, p):
        say("presence", str(p["from"]), p["type"] or "available")


client = Client()
client.connect(address=(host, int(port)), disable_starttls=False)
client.process(forever=False)
