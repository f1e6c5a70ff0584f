<<<<<<<< HEAD:src/thingstead/console/static/assets/EventsTab-DsHqZGxh.js
import{B as e,C as t,E as n,gt as r,xt as i}from"./vue-Cp7LrCQt.js";import{et as a}from"./base-CqdpqiaR.js";var o=n({__name:`EventsTab`,setup(n){return(n,o)=>(e(),t(`h2`,null,i(r(a)(`device.events`)),1))}});export{o as default};
========
import{B as e,C as t,E as n,gt as r,xt as i}from"./vue-Cp7LrCQt.js";import{Tt as a}from"./base-DDaLV4Ve.js";var o=n({__name:`EventsTab`,setup(n){return(n,o)=>(e(),t(`h2`,null,i(r(a)(`device.events`)),1))}});export{o as default};
>>>>>>>> 1e85289 (Put what every page needs into one piece, so that the log-in stays within its budget):src/thingstead/console/static/assets/EventsTab-C-KocfIY.js
