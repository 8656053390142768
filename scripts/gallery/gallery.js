// The theme's toggles of the navigation have no name for those who do not see them.
document.addEventListener('DOMContentLoaded', () => {
  document.querySelectorAll('.bd-sidebar summary').forEach((summary) => {
    const link = summary.closest('li').querySelector('a');
    summary.setAttribute('aria-label', `Show or hide ${link ? link.textContent.trim() : 'more'}`);
  });
});
