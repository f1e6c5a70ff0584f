import{Y as e,dt as t,mt as n,ot as r,y as i}from"./vue-Cp7LrCQt.js";import{$ as a,K as o,U as s,et as c,f as l,m as u,p as d,tt as f}from"./base-CarhkfqU.js";var ee=t(!1),te=1e3,p=[],m=``,ne=0;function re(e){return e instanceof HTMLElement?e.isContentEditable||/^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName):!1}function h(e){for(let t=p.length-1;t>=0;--t){let n=p[t]?.[e];if(n)return n}}function ie(e){if(!f.keys||e.ctrlKey||e.metaKey||e.altKey||e.defaultPrevented||e.key===`Enter`&&e.target.closest(`a, button, summary`)||re(e.target)||document.querySelector(`dialog[open], [role=menu]`))return;let t=m&&e.timeStamp-ne<te?`${m} ${e.key}`:``,n=t&&h(t)||h(e.key);m=n?``:e.key,ne=e.timeStamp,n&&(e.preventDefault(),n())}document.addEventListener(`keydown`,ie);function ae(e){p.push(e),r(()=>{let t=p.indexOf(e);t>=0&&p.splice(t,1)})}var oe=new TextEncoder,se=new TextDecoder;function g(e){let t=oe.encode(e);return[t.length>>8,t.length&255,...t]}function _(e,t){let n=[],r=t.length;do n.push(r&127|(r>127?128:0)),r>>=7;while(r>0);return new Uint8Array([e,...n,...t])}function ce(e,t){return _(16,[...g(`MQTT`),4,130,t>>8,t&255,...g(``),...g(e)])}function le(e,t){return _(130,[e>>8,e&255,...t.flatMap(e=>[...g(e),0])])}function v(e,t){return _(162,[e>>8,e&255,...t.flatMap(g)])}var ue=_(192,[]),de=_(224,[]);function fe(e,t){switch(e>>4){case 2:return{type:`connack`,code:t[1]??255};case 3:{let n=(t[0]??0)<<8|(t[1]??0),r=2+n+(e&6?2:0);return{type:`publish`,topic:se.decode(t.subarray(2,2+n)),payload:t.subarray(r)}}case 9:return{type:`suback`,id:(t[0]??0)<<8|(t[1]??0),codes:[...t.subarray(2)]};case 13:return{type:`pingresp`};default:return{type:`other`}}}var pe=class{pending=new Uint8Array;read(e){let t=[],n=e;this.pending.length>0&&(n=new Uint8Array(this.pending.length+e.length),n.set(this.pending),n.set(e,this.pending.length));let r=0;for(;;){let e=me(n,r);if(e===null||e.to>n.length)break;t.push(fe(n[r]??0,n.subarray(e.from,e.to))),r=e.to}return this.pending=n.slice(r),t}};function me(e,t){let n=0;for(let r=0;r<4;r+=1){let i=e[t+1+r];if(i===void 0)return null;if(n|=(i&127)<<7*r,i<128)return{from:t+2+r,to:t+2+r+n}}throw RangeError(`a length of more than four bytes [MQTT-2.2.3]`)}function he(e,t){let n=e.split(`/`),r=t.split(`/`);for(let[e,t]of n.entries()){if(t===`#`)return!0;if(e>=r.length||t!==`+`&&t!==r[e])return!1}return n.length===r.length}var ge=30,_e=6e4,y=500,ve=3e4,b=t(`off`),x=t(0),S=new Set,C=new Set,w=null,T=null,E=0,D=y,O=!1,k,A,j=!0,ye,M=!1,N=()=>{};function be(e){N=e}function P(){return E=E%65535+1,E}var F=e=>`${T}/${e}`;function I(){if(b.value!==`live`||M)return;let e=new Set([...S].map(e=>e.filter)),t=[...C].filter(t=>!e.has(t)),n=[...e].filter(e=>!C.has(e));t.length>0&&w?.send(v(P(),t.map(F))),n.length>0&&w?.send(le(P(),n.map(F)));for(let e of t)C.delete(e);for(let e of n)C.add(e)}var L=!1;function xe(){L||(L=!0,queueMicrotask(()=>{L=!1,I()}))}function Se(e){if(j=!0,e.type===`publish`){let t=e.topic.slice(e.topic.indexOf(`/`)+1);for(let n of S)he(n.filter,t)&&n.listener(e.payload,t)}else if(e.type===`connack`){if(e.code!==0){b.value=`lost`,N();return}b.value=`live`,D=y,I(),O&&(x.value+=1),O=!0}}function R(e){w===e&&(w=null,clearInterval(A),C.clear(),T!==null&&(b.value=O||D>y?`lost`:`connecting`,k=setTimeout(z,D*(.75+Math.random()/2)),D=Math.min(ve,D*2)))}function z(){if(clearTimeout(k),T===null||w)return;let{protocol:e,host:t}=window.location,n=new WebSocket(`${e===`https:`?`wss`:`ws`}://${t}/mqtt`,`mqtt`),r=new pe;w=n,n.binaryType=`arraybuffer`;let i=T;n.onopen=()=>n.send(ce(i,ge)),n.onmessage=e=>{if(w===n)for(let t of r.read(new Uint8Array(e.data)))Se(t)},n.onclose=()=>R(n),j=!0,clearInterval(A),A=setInterval(()=>{j?n.readyState===WebSocket.OPEN&&(j=!1,n.send(ue)):(n.close(),R(n))},ge*500)}function Ce(e){T!==e&&(B(),T=e,b.value=`connecting`,z())}function B(){clearTimeout(k),clearInterval(A),T=null,O=!1,D=y,C.clear();let e=w;w=null,e?.readyState===WebSocket.OPEN&&e.send(de),e?.close(),b.value=`off`}function V(){T!==null&&!w&&(D=y,z())}window.addEventListener(`online`,V),document.addEventListener(`visibilitychange`,()=>{clearTimeout(ye),document.hidden?ye=setTimeout(()=>{M=!0,C.size>0&&b.value===`live`&&w?.send(v(P(),[...C].map(F))),C.clear()},_e):M&&(M=!1,I(),x.value+=1,V())});function we(t,i){let a=[],o=()=>{for(let e of a)S.delete(e);a=[]};e(()=>[...new Set(n(t))],e=>{o(),a=e.map(e=>({filter:e,listener:i}));for(let e of a)S.add(e);xe()},{immediate:!0}),r(()=>{o(),xe()})}be(()=>{u(`GET`,`/console/session`,{bare:!0}).catch(e=>{e instanceof s&&e.errcode===401&&d()})});function Te(){l.value&&Ce(l.value.project.view_key)}function Ee(e){let t=document.createElement(`textarea`);t.value=e,t.readOnly=!0,t.className=`copy-area`;let n=document.querySelector(`dialog[open]`)??document.body,r=document.activeElement;n.append(t),t.select();try{return document.execCommand(`copy`)}finally{t.remove(),r instanceof HTMLElement&&r.focus({preventScroll:!0})}}async function De(e){if(navigator.clipboard&&window.isSecureContext)try{return await navigator.clipboard.writeText(e),!0}catch{}return Ee(e)}var H=window.matchMedia(`(width <= 760px)`),U=t(H.matches);H.addEventListener(`change`,()=>U.value=H.matches);function Oe(){return U}var ke=`thingstead.draft.`;function Ae(){try{for(let e of Object.keys(sessionStorage))e.startsWith(ke)&&sessionStorage.removeItem(e)}catch{}}function je(i,a=``){let s=t(),c=t(null),l=t(!1),u=t(0),d;async function f(){if(d?.abort(),n(a)===null)return;let e=d=new AbortController;l.value=!0;try{let t=await i(e.signal);if(d!==e)return;s.value=t,c.value=null,u.value=Date.now()}catch(t){d===e&&!o(t)&&(c.value=t)}finally{d===e&&(l.value=!1)}}return e(()=>n(a),()=>{s.value=void 0,c.value=null,f()},{immediate:!0}),e(x,()=>void f()),r(()=>d?.abort()),{value:s,error:c,loading:l,readAt:u,reload:f,set(e){d?.abort(),d=void 0,l.value=!1,s.value=e,c.value=null}}}function Me(e){return e instanceof s&&e.errcode===404?`gone`:e instanceof s&&e.errcode===403?`forbidden`:`other`}var Ne=i(()=>b.value===`lost`),Pe=200,Fe=2e3,W=new Set,G=new Set,K;function Ie(){if(K=void 0,document.hidden)return;let e=performance.now(),t=[...G];G.clear();for(let e of t)W.has(e)&&e();requestAnimationFrame(()=>setTimeout(()=>q(4*(performance.now()-e))))}function q(e){K===void 0&&G.size>0&&(K=setTimeout(Ie,Math.min(Fe,Math.max(Pe,e))))}document.addEventListener(`visibilitychange`,()=>q(0));function Le(e){return W.add(e),r(()=>{W.delete(e),G.delete(e)}),()=>{G.add(e),q(Pe)}}var J=t(Date.now());setInterval(()=>{document.hidden||(J.value=Date.now())},1e3),document.addEventListener(`visibilitychange`,()=>J.value=Date.now());var Y=new Map;function Re(e,t=6){if(!Number.isFinite(e))return String(e);let n=Math.abs(e);if(n!==0&&(n>=0x38d7ea4c68000||n<1e-6))return String(e);let r=`${a.value} ${t}`,i=Y.get(r);return i||Y.set(r,i=new Intl.NumberFormat(a.value,{maximumFractionDigits:t})),i.format(e)}function ze(e){return e==null?`—`:typeof e==`number`?Re(e):typeof e==`string`?e:JSON.stringify(e)}function Be(e){if(e==null)return``;if(typeof e==`number`||typeof e==`boolean`)return String(e);let t=typeof e==`string`?e:JSON.stringify(e),n=/^[=+\-@\t\r]/.test(t)?`'${t}`:t;return/[",\r\n]/.test(n)?`"${n.replaceAll(`"`,`""`)}"`:n}function Ve(e){return`\ufeff${e.map(e=>e.map(Be).join(`,`)).join(`\r
`)}\r\n`}function He(e,t,n=`text/csv;charset=utf-8`){let r=URL.createObjectURL(new Blob([t],{type:n})),i=document.createElement(`a`);i.href=r,i.download=e.replace(/[\\/:*?"<>|\s]+/g,`_`),i.click(),setTimeout(()=>URL.revokeObjectURL(r),1e4)}var Ue=t(0),We=()=>Ue.value+=1;window.matchMedia(`(prefers-color-scheme: dark)`).addEventListener(`change`,We),new MutationObserver(We).observe(document.documentElement,{attributeFilter:[`data-theme`]});function Ge(e){return getComputedStyle(document.documentElement).getPropertyValue(`--${e}`).trim()}var Ke={connected:`reasons.connected`,"taken over":`reasons.takenOver`,"another connection of the device took over":`reasons.takenOver`,disconnected:`reasons.disconnected`,"the device disconnected":`reasons.disconnected`,"the connection was lost":`reasons.lost`,"nothing was heard for one and a half keep alives":`reasons.keepAlive`,"nothing was heard for too long":`reasons.idle`,timeout:`reasons.idle`,gateway:`reasons.gateway`,"the server is shutting down":`reasons.shutDown`,"the server was restarted":`reasons.restarted`,"certificate reset":`reasons.certificateReset`,"type changed":`reasons.typeChanged`,"gateway changed":`reasons.gatewayChanged`,"device removed":`reasons.removed`,"the peer does not read what it is sent":`reasons.notRead`,"no registration packet came in time":`reasons.noRegistration`};function qe(e){let t=Ke[e];return t?c(t):e}function Je(e,t,n){let r=(...t)=>{let n=t.flatMap(t=>e.find(e=>e.kind===t)??[])[0];return n?{host:n.host,port:n.port,tls:n.kind.endsWith(`s`)}:null},{hostname:i,port:a,protocol:o}=window.location,s=o===`https:`;return{http:r(`http`,`https`)??{host:i,port:Number(a)||(s?443:80),tls:s},mqtt:r(`mqtt`,`mqtts`),tcp:n?r(`tcp`,`tcps`):null,accessToken:t.access_token,projectKey:t.project_key}}var Ye={temperature:22.5,on:!0};function X(e){return/^[\w@+=:,./•-]+$/.test(e)?e:!/[$`\\!%\n\r]/.test(e)&&!(e.includes(`"`)&&/[&|<>^]/.test(e))?`"${e.replaceAll(`"`,`\\"`)}"`:`'${e.replaceAll(`'`,`'\\''`)}'`}function Z(e){return e==null?`None`:typeof e==`boolean`?e?`True`:`False`:Array.isArray(e)?`[${e.map(Z).join(`, `)}]`:typeof e==`object`?`{${Object.entries(e).map(([e,t])=>`${JSON.stringify(e)}: ${Z(t)}`).join(`, `)}}`:JSON.stringify(e)}function Q(e){return Array.isArray(e)?`[${e.map(Q).join(`, `)}]`:typeof e==`object`&&e?`{${Object.entries(e).map(([e,t])=>`${JSON.stringify(e)}: ${Q(t)}`).join(`, `)}}`:JSON.stringify(e)}var Xe=(...e)=>e.map(X).join(` `),Ze=e=>e.includes(`:`)?`[${e}]`:e;function Qe({host:e,port:t,tls:n}){return`${n?`https`:`http`}://${Ze(e)}${t===(n?443:80)?``:`:${t}`}`}function $e(e,t,n){let r=t.tls?[`--tls-use-os-certs`]:[];return Xe(`mosquitto_pub`,`-h`,t.host,`-p`,String(t.port),...r,`-u`,e.accessToken,`-P`,e.projectKey,`-q`,`1`,`-t`,`attributes`,`-m`,Q(n))}function et(e,t){return Xe(`curl`,`${Qe(e.http)}/device/v1/${e.accessToken}/attributes`,`-H`,`Project-Key: ${e.projectKey}`,`-d`,Q(t))}function tt(e,t,n){return`import json

import paho.mqtt.client as mqtt


def on_connect(client, userdata, flags, reason_code, properties):
    print(reason_code)
    client.subscribe([("attributes/push", 1), ("command/send/+", 1)])


def on_message(client, userdata, message):
    print(message.topic, message.payload.decode())


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_connect = on_connect
client.on_message = on_message
client.username_pw_set(${JSON.stringify(e.accessToken)}, ${JSON.stringify(e.projectKey)})
${t.tls?`client.tls_set()
`:``}client.connect(${JSON.stringify(t.host)}, ${t.port})
client.loop_start()

report = client.publish("attributes", json.dumps(${Z(n)}), qos=1)
report.wait_for_publish(timeout=10)  # returns when the report is on disk
print("reported" if report.is_published() else "not reported")

input("Enter ends it\\n")
client.disconnect()
`}function nt(e,t,n){return`#include <WiFi.h>  // of an ESP8266: ESP8266WiFi.h
#include <PubSubClient.h>

const char *ssid = "your network";
const char *password = "its password";

WiFiClient network;
PubSubClient mqtt(network);

void onMessage(char *topic, uint8_t *payload, unsigned int length) {
  Serial.printf("%s %.*s\\n", topic, (int)length, (char *)payload);
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(ssid, password);
  mqtt.setServer(${JSON.stringify(t.host)}, ${t.port});
  mqtt.setCallback(onMessage);
  mqtt.setBufferSize(1024);
}

void loop() {
  if (!mqtt.connected()) {
    if (WiFi.status() == WL_CONNECTED && mqtt.connect("esp", ${JSON.stringify(e.accessToken)}, ${JSON.stringify(e.projectKey)})) {
      Serial.println("connected");
      mqtt.subscribe("attributes/push", 1);
      mqtt.subscribe("command/send/+", 1);
      mqtt.publish("attributes", ${JSON.stringify(JSON.stringify(n))});
    } else {
      Serial.printf("not connected, state %d\\n", mqtt.state());
      delay(2000);
    }
  }
  mqtt.loop();
}
`}function rt(e,t,n){return`import json
import time

import network
from umqtt.simple import MQTTClient

wifi = network.WLAN(network.STA_IF)
wifi.active(True)
wifi.connect("your network", "its password")
while not wifi.isconnected():
    time.sleep_ms(200)


def on_message(topic, payload):
    print(topic.decode(), payload.decode())


client = MQTTClient(
    "esp",
    ${JSON.stringify(t.host)},
    port=${t.port},
    user=${JSON.stringify(e.accessToken)},
    password=${JSON.stringify(e.projectKey)},
    keepalive=60,
)
client.set_callback(on_message)
client.connect()
print("connected")
client.subscribe("attributes/push", qos=1)
client.subscribe("command/send/+", qos=1)
client.publish("attributes", json.dumps(${Z(n)}), qos=1)
print("reported")

while True:
    for _ in range(300):
        client.check_msg()
        time.sleep_ms(100)
    client.ping()
`}function it(e,t){return`{ printf %s ${X(`${e.projectKey}&${e.accessToken}`)}; sleep 1; printf %s hello; } | nc -w 2 ${X(t.host)} ${t.port}`}function at(e,t=Ye){let{mqtt:n,tcp:r}=e,i=[],a=(e,t,n,r)=>i.push({kind:e,label:t,install:n,text:r});return n&&a(`mosquitto`,`mosquitto_pub`,`apt install mosquitto-clients`,$e(e,n,t)),a(`curl`,`curl`,``,et(e,t)),n&&a(`python`,`Python`,`pip install paho-mqtt`,tt(e,n,t)),n&&!n.tls&&(a(`arduino`,`Arduino`,`arduino-cli lib install PubSubClient`,nt(e,n,t)),a(`micropython`,`MicroPython`,`mpremote mip install umqtt.simple`,rt(e,n,t))),r&&!r.tls&&a(`tcp`,`TCP`,``,it(e,r)),i}var $=`••••••••`;function ot(e){return{...e,accessToken:$,projectKey:$}}export{B as C,ae as E,V as S,ee as T,Ae as _,qe as a,Te as b,He as c,ze as d,J as f,je as g,Ne as h,Je as i,Ve as l,Me as m,ot as n,Ue as o,Le as p,at as r,Ge as s,$ as t,Re as u,Oe as v,we as w,b as x,De as y};