// The slider, the button beside it, the phases and the legend. Who shows a moment listens to the event "frame".
"use strict";
{
  const stage = document.getElementById("stage"), slider = stage.querySelector("input"), clock = stage.querySelector(".clock");
  const play = stage.querySelector(".play"), last = motion.labels.length - 1, phases = [...stage.querySelectorAll(".phases button")];
  let timer = null;
  slider.max = last;

  const show = () => {
    const k = Number(slider.value), ends = phases.map((button) => Number(button.dataset.frame));
    clock.textContent = motion.labels[k];
    slider.setAttribute("aria-valuetext", motion.labels[k]);
    phases.forEach((button, i) => button.classList.toggle("now", k <= ends[i] && (i === 0 || k > ends[i - 1])));
    document.dispatchEvent(new CustomEvent("frame", { detail: k }));
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  window.goTo = (k) => {
    stop();
    slider.value = k;
    show();
  };
  slider.oninput = () => goTo(Number(slider.value));
  play.onclick = () => {
    if (timer) return stop();
    if (Number(slider.value) === last) slider.value = 0;
    show();
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) >= last) stop();
    }, Math.max(60, 9000 / (last + 1)));
  };
  for (const button of phases) button.onclick = () => goTo(Number(button.dataset.frame));
  for (const button of stage.querySelectorAll(".legend button")) {
    button.onclick = () => {
      const m = motion.measures[button.dataset.measure];
      m.shown = !m.shown;
      button.setAttribute("aria-pressed", m.shown);
      document.dispatchEvent(new Event("shown"));
    };
  }
  if (last === 0) stage.querySelector(".controls").hidden = true;
  show();
}
